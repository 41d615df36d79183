"""Narrowing of plain values (TOML, Automerge) that have no model yet. Their keys are texts."""

from collections.abc import Iterable
from typing import Any, cast


def as_map(value: object) -> dict[str, Any] | None:
    """`value`, if it is a map."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """`value`, if it is a list."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, list) else None
