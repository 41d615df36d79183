"""The strict rows of npm's own fixtures; loose parsing and includePrerelease are not ours.

Four files test functions we do not have: `increments` and `truncations` (making versions), and
`version-gt-range` and its kin, which ask what lies beyond a range in an order of npm's own.
"""

import json
from pathlib import Path
from typing import Any

from registry.comparators import RANGE_CHARACTERS_MAX


def strict_rows(vectors: Path, name: str) -> list[list[Any]]:
    """Rows of text that bind: no option, or one that changes nothing."""
    rows: list[list[Any]] = json.loads((vectors / "node-semver" / f"{name}.json").read_text())
    return [row for row in rows if is_strict(row) and len(row[0]) <= RANGE_CHARACTERS_MAX]


def is_strict(row: list[Any]) -> bool:
    return (
        isinstance(row[0], str)
        and row[-1] is not True
        and not (isinstance(row[-1], dict) and row[-1])
    )
