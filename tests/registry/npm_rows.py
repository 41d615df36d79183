"""The strict rows of npm's own fixtures; loose parsing and includePrerelease are not ours.

Two files test functions we do not have: `increments` and `truncations` make versions.
"""

import json
from pathlib import Path
from typing import Any, cast

from registry.comparators import RANGE_CHARACTERS_MAX

UNDEFINED = {"__undefined": True}


def strict_rows(vectors: Path, name: str) -> list[list[Any]]:
    """Rows of text that bind: no option, or one that changes nothing."""
    rows: list[list[Any]] = json.loads((vectors / "node-semver" / f"{name}.json").read_text())
    return [row for row in rows if is_strict(row) and len(row[0]) <= RANGE_CHARACTERS_MAX]


def is_strict(row: list[Any]) -> bool:
    options: object = row[-1]
    if isinstance(options, dict) and options != UNDEFINED:
        values = cast("dict[str, object]", options).values()
        return not any(value and value != UNDEFINED for value in values)
    return isinstance(row[0], str) and options is not True
