"""The settings: flag > PANSPERMIA_* > config.toml > default, read once into one frozen `Config`.

    setting             environment                     config.toml
    api.port            PANSPERMIA_API_PORT             [api] port = 3000
    p2p.peers           PANSPERMIA_P2P_PEERS=a:1,b:2    [p2p] peers = ["a:1", "b:2"]

Nothing below the command line reads the environment: it is an argument, and so is the file.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast, get_args, get_origin

import msgspec
from msgspec import Meta

from node.config import Config
from node.errors import BadSetting
from node.setting_checks import fault_of

PREFIX: Final = "PANSPERMIA_"
HIDDEN: Final = "…"
TOKEN: Final = re.compile(r"(?i)(token=).*")
SECRET: Final = re.compile(r"(turn:[^:@\s]+:)[^@\s]+(@[^@\s]+)")

Origins: TypeAlias = Mapping[str, str]
"""Setting -> "flag", the variable's name, the file's name, or "default"."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `config show`."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, and where each setting comes from."""

    config: Config
    origins: Origins

    def settings(self) -> tuple[Setting, ...]:
        return tuple(
            Setting(
                name,
                without_secrets(name, getattr(getattr(self.config, section), key)),
                self.origins[name],
            )
            for name, section, key in _names()
        )


def load_config(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    text: str,
    *,
    source: str = "config.toml",
) -> Loaded:
    """`flags` by setting ("api.port"), None where not given; `text` of config.toml, or "".

    Raises `BadSetting` that names the setting and where it was read.
    """
    file = _parse(text, source)
    values: dict[str, dict[str, object]] = {}
    origins: dict[str, str] = {}
    for name, section, key in _names():
        variable = variable_of(name)
        if flags.get(name) is not None:
            value, origins[name] = flags[name], "flag"
        elif variable in environment:
            value, origins[name] = environment[variable], variable
        elif key in file.get(section, {}):
            value, origins[name] = file[section][key], source
        else:
            origins[name] = "default"
            continue
        kind = _types(section)[key]
        is_text = origins[name] == variable
        values.setdefault(section, {})[key] = _convert(name, value, kind, origins[name], is_text)
    config = msgspec.convert(values, Config)
    if config.api.compat and not (config.api.is_loopback and not config.api.allowed_hosts):
        # What takes writes without a token must be out of everybody else's reach.
        reached = f"api.host is {config.api.host}, api.allowed_hosts {config.api.allowed_hosts}"
        raise BadSetting(f"api.compat is for loopback only ({origins['api.compat']}): {reached}")
    return Loaded(config, origins)


def without_secrets(name: str, value: object) -> object:
    """As it may be shown: a token is a secret."""
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        shown = [without_secrets(name, one) for one in items]
        return shown if isinstance(value, list) else tuple(shown)
    if not isinstance(value, str):
        return value
    if name == "p2p.turn":
        turn = SECRET.fullmatch(value)
        return f"{turn[1]}{HIDDEN}{turn[2]}" if turn else HIDDEN
    return HIDDEN if value and name == "relay.token" else TOKEN.sub(rf"\1{HIDDEN}", value)


def variable_of(name: str) -> str:
    """`api.port` is PANSPERMIA_API_PORT in the environment."""
    return PREFIX + name.replace(".", "_").upper()


def setting_names() -> tuple[str, ...]:
    """Every setting, in the order of `Config`."""
    return tuple(name for name, _, _ in _names())


def check_setting(name: str, value: object) -> object:
    """`value` as the setting takes it, for `config set`. Raises `BadSetting`."""
    section, _, key = name.partition(".")
    known = {known for known, _, _ in _names()}
    if name not in known:
        raise BadSetting(f"there is no setting {name!r}{_suggest(name, known)}")
    return _convert(name, value, _types(section)[key], "argument", isinstance(value, str))


def _parse(text: str, source: str) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{source} is no TOML: {error}") from error
    known = {name for name, _, _ in _names()}
    sections = {section for _, section, _ in _names()}
    tables: dict[str, dict[str, Any]] = {}
    for section, table in document.items():
        if section not in sections or not isinstance(table, dict):
            raise BadSetting(f"{source}: no section [{section}]{_suggest(section, sections)}")
        tables[section] = cast("dict[str, Any]", table)
        for key in tables[section]:
            if f"{section}.{key}" not in known:
                hint = _suggest(f"{section}.{key}", known)
                raise BadSetting(f"{source}: no setting {section}.{key}{hint}")
    return tables


def _convert(name: str, value: object, kind: Any, origin: str, is_text: bool) -> object:  # noqa: ANN401 - a type expression
    if is_text and get_origin(kind) is tuple:
        value = [part.strip() for part in str(value).split(",") if part.strip()]
    try:
        converted: object = msgspec.convert(value, kind, strict=not is_text)
    except msgspec.ValidationError as error:
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        wanted = " or ".join(choices) or (_title(kind) if "regex" in str(error) else None)
        shown = without_secrets(name, value)
        why = f"{shown!r} is not {wanted}" if wanted else str(error)
        raise BadSetting(f"{name} (from {origin}): {why}") from error
    if fault := fault_of(name, converted):
        raise BadSetting(f"{name} (from {origin}): {fault}")
    return converted


def _title(kind: Any) -> str | None:  # noqa: ANN401 - a type expression
    """What a text must be, for people; of a list, its elements."""
    for one in (kind, *get_args(kind)):
        for meta in getattr(one, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.title:
                return meta.title
    return None


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _names() -> list[tuple[str, str, str]]:
    return [
        (f"{section.name}.{key}", section.name, key)
        for section in msgspec.structs.fields(Config)
        for key in _types(section.name)
    ]


def _types(section: str) -> dict[str, Any]:
    kind = next(field.type for field in msgspec.structs.fields(Config) if field.name == section)
    return {field.name: field.type for field in msgspec.structs.fields(kind)}
