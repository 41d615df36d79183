"""Making again what own changes had done that do not count any more.

Who built honestly on what was revoked falls with it. The work is not lost: each of these changes
made a difference to the document as its author saw it, place by place, and the same places can be
set again on what counts now, in one new change.

    own changes that fell, in their order ─▸ before, after ─▸ what each set or deleted ─▸ one edit
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from crdt.document import Editor, KeyPath, Plain, Scalar, Skeleton, load_valid
from crdt.errors import CrdtError, Unusable
from crdt.preflight import read_change

FALLEN_MAX = 500
"""Own changes looked at: each is two readings of the document, some milliseconds."""
PLACES_MAX = 2_000
"""Places set or deleted by the one new change, as in `crdt.rollover`: it is quick to take."""

_ACTOR: Final = bytes(32)  # of a document that is only read: no device has this key


class Gone:
    """Stands for a place that was deleted."""


class Made:
    """Stands for a map that was made."""


GONE: Final = Gone()
MADE: Final = Made()

Doing: TypeAlias = Scalar | Gone | Made


@dataclass(frozen=True, slots=True)
class Redo:
    """What is to be done again. `doing`: by place, in order, a map before what is in it."""

    doing: Mapping[KeyPath, Doing]
    changes: int
    """Of how many changes."""
    unreadable: int
    """Changes of which nobody can tell what they did: something they build on is not here."""
    left: int
    """Places that no edit sets: lists, numbers that are none, more than fit one change."""


def redo_of(skeleton: Skeleton, raws: Mapping[bytes, bytes], fallen: Sequence[bytes]) -> Redo:
    """What the changes `fallen` did. `raws`: all that is held of the document, by hash.

    `fallen` are hashes of one device's changes in the order of their numbers, so each builds on the
    ones before; those over `FALLEN_MAX` are counted as unreadable. Raises nothing.
    """
    document = load_valid(skeleton, (), _ACTOR)
    known = {skeleton.hash}
    doing: dict[KeyPath, Doing] = {}
    done = left = 0
    for change in fallen[:FALLEN_MAX]:
        try:
            below = _below(change, raws, known)
            document.receive([raws[one] for one in below])
            before = document.to_py()
            document.receive([raws[change]])
        except (CrdtError, KeyError):
            continue
        known |= {*below, change}
        done += 1
        for path, what in _differences(before, document.to_py(), ()):
            left += not _note(doing, path, what)
    return Redo(doing, done, len(fallen) - done, left)


def onto(again: Redo, value: Mapping[str, Plain]) -> Redo:
    """Only what changes something in a document of this value; `left` counts what has no place.

    A place in a map that is not there any more makes no sense by itself, as a mark on a version
    that fell; and a place that has become a map stays one.
    """
    fitting: dict[KeyPath, Doing] = {}
    left = again.left
    for path, what in again.doing.items():
        above, there = _at(value, path[:-1]), _at(value, path)
        has_place = isinstance(above, dict) or isinstance(fitting.get(path[:-1]), Made)
        if isinstance(what, Gone):
            is_new = not isinstance(there, Gone)
        elif isinstance(what, Made):
            is_new = not isinstance(there, dict)
            has_place = has_place and (not is_new or isinstance(there, Gone))
        else:
            is_new = type(there) is not type(what) or there != what
            has_place = has_place and not isinstance(there, dict | list)
        if not has_place:
            left += not isinstance(what, Gone)
        elif is_new:
            fitting[path] = what
    return Redo(fitting, again.changes, again.unreadable, left)


def redo(again: Redo) -> Callable[[Editor], None]:
    """The edit that does it on what is there now, as far as it has a place: see `onto`."""

    def edit(editor: Editor) -> None:
        for path, what in again.doing.items():
            try:
                _do(editor, path, what)
            except Unusable:  # others have made another shape of that place, or deleted it
                continue

    return edit


def _do(editor: Editor, path: KeyPath, what: Doing) -> None:
    if isinstance(what, Gone):
        editor.delete(path)
    elif isinstance(what, Made):
        if editor.is_map(path[:-1]):
            editor.make_map(path)
    else:
        editor.put(path, what)


def _at(value: Mapping[str, Plain], path: KeyPath) -> "Plain | Gone":
    """What is there; `GONE` where nothing is."""
    at: Plain | Gone = dict(value)
    for key in path:
        if not isinstance(at, dict) or key not in at:
            return GONE
        at = at[key]
    return at


def _below(change: bytes, raws: Mapping[bytes, bytes], known: set[bytes]) -> list[bytes]:
    """What it builds on and is not `known` yet. Raises `KeyError` where some of it is not here."""
    found: dict[bytes, None] = {}
    todo = list(read_change(raws[change]).dependencies)
    while todo:
        one = todo.pop()
        if one not in known and one not in found:
            found[one] = None
            todo += read_change(raws[one]).dependencies
    return list(found)


def _note(doing: dict[KeyPath, Doing], path: KeyPath, what: "Doing | list[Plain]") -> bool:
    """The last word on each place; False for what no edit can do."""
    if isinstance(what, list) or (isinstance(what, float) and not math.isfinite(what)):
        return False
    if isinstance(what, Gone):
        for inner in [one for one in doing if one[: len(path)] == path]:
            del doing[inner]
    elif path not in doing and len(doing) == PLACES_MAX:
        return False
    doing.pop(path, None)  # it goes to the end: after the map that it may lie in
    doing[path] = what
    return True


def _differences(
    before: Mapping[str, Plain], after: Mapping[str, Plain], place: KeyPath
) -> "Iterator[tuple[KeyPath, Doing | list[Plain]]]":
    """What leads from one to the other, a map before what is in it."""
    for key in sorted(before.keys() - after.keys()):
        yield (*place, key), GONE
    for key in sorted(after):
        path, was, value = (*place, key), before.get(key, GONE), after[key]
        if isinstance(value, dict):
            if not isinstance(was, dict):
                yield path, MADE
            yield from _differences(was if isinstance(was, dict) else {}, value, path)
        elif type(was) is not type(value) or was != value:
            yield path, value
