"""Primordium's settings of a world, a *seed*: config.toml, and the same as JSON in its registry."""

from collections.abc import Mapping
from typing import Any

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Reader, parse
from registry.formats.texts import check_size, name_of, tags_of, text_of
from registry.formats.words import Format
from registry.plain import as_map
from registry.toml import NotToml, load

CONFIG_BYTES_MAX = 256 << 10
SECTIONS = ("world", "metabolism", "evolution", "brain", "social", "terraform", "ecosystem")
SHOWN = ("width", "height", "initial_population", "seed", "deterministic")


def read_config(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile` with the line."""
    return (_found(data, settings_of_toml(data, file), Format.PRIMORDIUM_CONFIG, file),)


def read_config_json(data: bytes, file: str) -> tuple[Found, ...]:
    check_size(data, file, CONFIG_BYTES_MAX)
    settings = Reader(parse(text_of(data, file), file), file).map
    return (_found(data, settings, Format.PRIMORDIUM_CONFIG_JSON, file),)


def settings_of_toml(data: bytes, file: str) -> dict[str, Any]:
    check_size(data, file, CONFIG_BYTES_MAX)
    try:
        return load(text_of(data, file))
    except NotToml as error:
        raise InvalidFile(file, Place(line=error.line), error.detail) from error


def _found(data: bytes, settings: Mapping[str, Any], format: Format, file: str) -> Found:
    if not any(as_map(settings.get(section)) is not None for section in SECTIONS):
        raise InvalidFile(file, Place(), f"has none of the sections {', '.join(SECTIONS)}")
    world = as_map(settings.get("world")) or {}
    shown: dict[str, Scalar] = {
        key: world[key] for key in SHOWN if isinstance(world.get(key), int | float)
    }
    rate = settings.get("target_fps")
    if isinstance(rate, int | float):
        shown["target_fps"] = rate
    size = f"{shown['width']} × {shown['height']}" if {"width", "height"} <= shown.keys() else ""
    return Found(
        kind="seed",
        format=format,
        data=data,
        name=name_of(file),
        description=f"A world of {size} cells" if size else "",
        tags=tags_of("primordium"),
        fields=shown,
    )
