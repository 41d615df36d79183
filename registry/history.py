"""What each signed change did to a module: released, yanked, deprecated, described.

A change says what it does to a document, not why; so the document is made again change by change,
and the difference told. Documents come from strangers: whatever is in them, nothing raises.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from registry.deletion import is_deleted
from registry.errors import quoted
from registry.plain import as_map

ActKind: TypeAlias = Literal[
    "released", "yanked", "unyanked", "deprecated", "undeprecated", "described", "deleted",
    "restored", "altered",
]  # fmt: skip
WORDS: Mapping[ActKind, str] = {
    "released": "released {}",
    "yanked": "yanked {}",
    "unyanked": "took back the yank of {}",
    "deprecated": "deprecated {}",
    "undeprecated": "took back the deprecation of {}",
    "described": "changed {}",
    "deleted": "deleted it",
    "restored": "brought it back",
    "altered": "altered what was released as {}",
}
MARKS: tuple[tuple[str, ActKind, ActKind], ...] = (
    ("yanked", "yanked", "unyanked"),
    ("deprecated", "deprecated", "undeprecated"),
)
FOREVER = ("statement", "signature", "device")  # of a version: nobody may change these

Plain: TypeAlias = Mapping[str, Any]


class Act(msgspec.Struct, frozen=True):
    """One thing that a change did. `what` is a version, or the field that was described anew."""

    kind: ActKind
    what: str = ""
    reason: str = ""

    def __str__(self) -> str:
        said = WORDS[self.kind].format(self.what)
        return f"{said}: {self.reason}" if self.reason else said


def acts(before: Plain, after: Plain) -> tuple[Act, ...]:
    """What was done between two values of one module's document; releases first."""
    old, new = _versions(before), _versions(after)
    found = [
        Act("released", quoted_version(version)) for version in sorted(new.keys() - old.keys())
    ]
    for version in sorted(new):
        found += _marked(version, old.get(version, {}), new[version])
    if is_deleted(after) != is_deleted(before):
        found.append(Act("deleted" if is_deleted(after) else "restored"))
    if old:  # what the first release says of the module is no change of it
        found += _described(before, after)
    return tuple(found)


def _marked(version: str, old: Plain, new: Plain) -> list[Act]:
    shown = quoted_version(version)
    found: list[Act] = []
    if old and any(old.get(key) != new.get(key) for key in FOREVER):
        found.append(Act("altered", shown))
    for key, done, undone in MARKS:
        if key in new and old.get(key) != new[key]:
            reason = new[key] if isinstance(new[key], str) else ""
            found.append(Act(done, shown, quoted(reason)[1:-1]))
        elif key in old and key not in new:
            found.append(Act(undone, shown))
    return found


def _described(before: Plain, after: Plain) -> list[Act]:
    old, new = (as_map(value.get("head")) or {} for value in (before, after))
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    tags = [set(as_map(value.get("tags")) or {}) for value in (before, after)]
    if tags[0] != tags[1]:
        changed.append("tags")
    return [Act("described", quoted(key)[1:-1]) for key in changed if key != "created_us"]


def _versions(value: Plain) -> dict[str, Plain]:
    versions = as_map(value.get("versions")) or {}
    return {text: as_map(fields) or {} for text, fields in versions.items()}


def quoted_version(version: str) -> str:
    """As it may be shown: it is whatever somebody wrote into the document."""
    return quoted(version)[1:-1]
