"""One Automerge document: open, change, receive, read. The only module that knows the library.

A document starts from its *skeleton*: one unsigned change, the same bytes on every node, that makes
the root maps. (Two nodes that each made a root map of one name would lose one of the two.) All else
is in changes whose actor is a device key and which arrive here one at a time, preflighted.

Bytes from outside go to a fork, the fork is read whole, and only then it takes the document's
place. So whatever the library does with them, raise, panic or poison its own lock, the document is
as it was. A Rust panic is no `Exception`; here it becomes `Unusable` like any other refusal.

One task owns a document at a time: the library fails when two write, and never frees the GIL.
Idioms, each measured against the library: a counter is a map {device: int}, summed on read; a tag
is a key whose value changes with each add, so that an add wins over a concurrent delete.
"""

import functools
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from automerge.core import ROOT, Message, ObjType, ScalarType, SyncState
from automerge.core import Document as Library

from crdt.errors import Unusable
from crdt.leb128 import uleb
from crdt.preflight import MESSAGE_ROWS_MAX, read_change

if TYPE_CHECKING:
    from automerge._automerge import Transaction  # the package does not export its own type

Scalar: TypeAlias = str | int | float | bool | bytes | None
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"
KeyPath: TypeAlias = tuple[str, ...]

SKELETON_ACTOR: Final = bytes(16)  # no device key has 16 bytes
DEPTH_MAX = 32  # maps in maps; deeper ones would exhaust the stack of whoever reads them

_PUBLISHED: Final = ("body", "head", "tags")
_RATED: Final = ("rating", "installs")
ROOTS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("pub", "mod"): ("head", "tags", "versions"),
    ("pub", "adv"): ("head", "tags", "advisory"),
    ("pub", "gen"): _PUBLISHED,
    ("pub", "seed"): _PUBLISHED,
    ("pub", "lin"): _PUBLISHED,
    ("rate", "mod"): _RATED,
    ("rate", "gen"): _RATED,
    ("rate", "seed"): _RATED,
    ("rate", "lin"): _RATED,
    ("pub", "chal"): ("head", "tags", "challenge"),
    ("rate", "fit"): ("evaluation", "claim", "runs"),
    ("pub", "uni"): (*_PUBLISHED, "snapshots", "events", "gate"),
    ("pub", "passage"): _PUBLISHED,
    ("pub", "player"): _PUBLISHED,
}
ROOTS_OTHERWISE: Final = ("head", "tags")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The first change of every document of one kind; made here, never taken from a peer."""

    raw: bytes
    hash: bytes
    max_op: int


def skeleton(roots: Iterable[str]) -> bytes:
    """The raw change that makes one empty map per name; a new schema is a new one, not an edit."""
    document = Library()
    document.set_actor(SKELETON_ACTOR)
    with document.transaction() as transaction:
        for name in sorted(roots):
            transaction.put_object(ROOT, name, ObjType.Map)
    (change,) = document.get_changes([])
    return change.raw_bytes


def skeleton_for(class_: str, kind: str) -> Skeleton:
    """What a document of this class and kind starts from."""
    return _skeleton_of(ROOTS.get((class_, kind), ROOTS_OTHERWISE))


@functools.cache  # as many entries as there are root sets in this module
def _skeleton_of(roots: tuple[str, ...]) -> Skeleton:
    raw = skeleton(roots)
    header = read_change(raw)
    return Skeleton(raw, header.hash, header.max_op)


class Document:
    """`actor` is this node's device key: one live copy of it anywhere, or changes collide."""

    __slots__ = ("_actor", "_library", "_value")

    def __init__(
        self, library: Library, actor: bytes, value: dict[str, Plain] | None = None
    ) -> None:
        library.set_actor(actor)  # loading and forking pick random ones
        self._library = library
        self._actor = actor
        self._value = value

    @classmethod
    def open(
        cls, class_: str, kind: str, actor: bytes, saved: bytes | None = None, is_read: bool = True
    ) -> "Document":
        """New, or what `save` gave; its values are read now or if asked for. Raises `Unusable`."""
        with _refusals():
            library = Library.load(skeleton_for(class_, kind).raw if saved is None else saved)
            return cls(library, actor, _read_root(library) if is_read else None)

    def receive(self, raws: Sequence[bytes]) -> None:
        """Take these changes, in any order; all of them or none. Known ones are skipped.

        Raises `Malformed`, or `Unusable` where one lacks its dependencies or the library objects.
        """
        headers = [read_change(raw) for raw in raws]
        if sum(header.rows for header in headers) > MESSAGE_ROWS_MAX:
            raise Unusable("too-many-rows", f"over {MESSAGE_ROWS_MAX} rows in one delivery")
        with _refusals():
            fork = _applied(self._library, raws)
            placed = {change.hash for change in fork.get_changes(self._library.get_heads())}
            absent = {header.hash for header in headers} - placed
            if absent:
                absent -= {change.hash for change in self._library.get_changes([])}
            if absent:
                raise Unusable("missing-dependency", f"waiting: {_names(absent)}")
            value = _read_root(fork)
        fork.set_actor(self._actor)
        self._library, self._value = fork, value

    def change(self, edit: "Callable[[Editor], None]") -> bytes | None:
        """One act: run `edit` in one transaction; its raw change, None where nothing changed.

        Store the change before any peer sees it. What `edit` raises passes through and leaves the
        document as it was; so does `Malformed`, where the change is larger than peers accept.
        """
        fork = self._library.fork()
        fork.set_actor(self._actor)
        before = fork.get_heads()
        with _panics(), fork.transaction() as transaction:
            edit(Editor(transaction, self._actor))
        changes = fork.get_changes(before)
        if not changes:
            return None
        (change,) = changes
        raw = change.raw_bytes
        read_change(raw)
        self._library, self._value = fork, None
        return raw

    def copy(self) -> "Document":
        """Another one that goes on from here, by the same device: only one of the two may sign."""
        return Document(self._library.fork(), self._actor)

    def heads(self) -> frozenset[bytes]:
        """Hashes of the changes that no other change here builds on."""
        return frozenset(self._library.get_heads())

    def changes_since(self, heads: Iterable[bytes]) -> tuple[bytes, ...]:
        """Raw changes that are not under `heads`, parents first; never the skeleton."""
        with _refusals():
            return tuple(
                change.raw_bytes
                for change in self._library.get_changes(list(heads))
                if change.actor_id != SKELETON_ACTOR
            )

    def save(self) -> bytes:
        """The whole document, compressed; for `open`. Not canonical: never sign or hash it."""
        return self._library.save()

    def to_py(self) -> dict[str, Plain]:
        """The document as plain values. Shared with later calls: read it, do not change it."""
        if self._value is None:
            with _refusals():
                self._value = _read_root(self._library)
        return self._value


class Editor:
    """What one act may do to a document: named maps and plain values in them.

    A path names keys from the root. All raise `Unusable` where the document, which others write
    too, is not of the expected shape.
    """

    __slots__ = ("_actor", "_maps", "_transaction")

    def __init__(self, transaction: "Transaction", actor: bytes) -> None:
        self._transaction = transaction
        self._actor = actor
        self._maps: dict[KeyPath, bytes] = {(): ROOT}

    def get(self, path: KeyPath) -> Scalar:
        """The value at `path`; None where there is none, or a map."""
        found = self._find(path)
        return _scalar(found[0]) if found and not isinstance(found[0], ObjType) else None

    def keys(self, path: KeyPath) -> tuple[str, ...]:
        """The keys of the map at `path`, sorted."""
        return tuple(self._transaction.keys(self._map(path)))

    def is_map(self, path: KeyPath) -> bool:
        """Whether there is a map at `path`."""
        found = self._find(path)
        return found is not None and found[0] == ObjType.Map

    def put(self, path: KeyPath, value: Scalar) -> None:
        """Set one value. Its map must exist; a map is never replaced by a value."""
        parent, key = self._parent(path)
        if self.is_map(path):
            raise Unusable("edit-is-map", f"{_show(path)} is a map, not a value")
        self._transaction.put(parent, key, _kind(value, path), value)

    def make_map(self, path: KeyPath) -> None:
        """Make the map at `path` and those above it that are missing; what is there stays."""
        if len(path) > DEPTH_MAX:
            raise Unusable("edit-too-deep", f"{_show(path)} is over {DEPTH_MAX} maps deep")
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            found = self._find(part)
            if found is None:
                parent, key = self._parent(part)
                self._maps[part] = self._transaction.put_object(parent, key, ObjType.Map)
            elif found[0] != ObjType.Map:
                raise Unusable("edit-no-map", f"{_show(part)} is a value, not a map")

    def delete(self, path: KeyPath) -> None:
        """Delete the value or map at `path`; nothing where there is none."""
        if self._find(path) is not None:
            parent, key = self._parent(path)
            self._transaction.delete(parent, key)
            depth = len(path)
            self._maps = {kept: id for kept, id in self._maps.items() if kept[:depth] != path}

    def add_tag(self, path: KeyPath, tag: str, nonce: int) -> None:
        """Add `tag` to the tag map at `path`, so that it survives a concurrent delete.

        The library drops a put of the same value, and a dropped put loses: hence the nonce, and
        the next number where it is already there.
        """
        place = (*path, tag)
        self.put(place, nonce + 1 if self.get(place) == nonce else nonce)

    def increment(self, path: KeyPath, by: int) -> None:
        """Add `by`, of any sign, to this device's slot of the counter map at `path`."""
        slot = (*path, self._actor.hex())
        self.put(slot, _count(self.get(slot)) + by)

    def _find(self, path: KeyPath) -> "tuple[_Value, bytes] | None":
        if not path:
            return ObjType.Map, ROOT
        parent = self._maps.get(path[:-1])
        if parent is None:
            above = self._find(path[:-1])  # DEPTH_MAX bounds what exists, so this ends early
            if above is None or above[0] != ObjType.Map:
                return None
            parent = self._maps[path[:-1]] = above[1]
        return self._transaction.get(parent, path[-1])

    def _map(self, path: KeyPath) -> bytes:
        if path not in self._maps:
            found = self._find(path)
            if found is None or found[0] != ObjType.Map:
                raise Unusable("edit-no-map", f"there is no map at {_show(path)}")
            self._maps[path] = found[1]
        return self._maps[path]

    def _parent(self, path: KeyPath) -> tuple[bytes, str]:
        if not path:
            raise Unusable("edit-root", "the root itself is no value")
        return self._map(path[:-1]), path[-1]


def load_valid(skeleton: Skeleton, raws: Sequence[bytes], actor: bytes) -> Document:
    """The document that is just these changes, parents first, on `skeleton`. Or `Unusable`."""
    with _refusals():
        # A load that begins with a change raises where a dependency is missing; one that began
        # with a saved document would queue the change unseen.
        library = Library.load(skeleton.raw + b"".join(raws))
        if {change.raw_bytes for change in library.get_changes([])} != {skeleton.raw, *raws}:
            raise Unusable("not-exact", "the library holds other changes than it was given")
        return Document(library, actor, _read_root(library))


def counter_value(counter: Mapping[str, Plain]) -> int:
    """The sum of a counter's slots; what is no integer counts for nothing."""
    return sum(_count(slot) for slot in counter.values())


# ── the library ──────────────────────────────────────────────────────────────────────────────────

_Value: TypeAlias = "ObjType | tuple[ScalarType, Scalar | datetime]"


@contextmanager
def _panics() -> Generator[None]:
    """A Rust panic becomes `Unusable`. All other exceptions pass, Ctrl-C and exits among them."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the class is not exported
            raise
        raise Unusable("library-panic", str(error)) from None


@contextmanager
def _refusals() -> Generator[None]:
    """Whatever the library raises, or a panic, becomes `Unusable`."""
    try:
        with _panics():
            yield
    except Unusable:
        raise
    except Exception as error:
        raise Unusable("library-refused", str(error)) from error


def _applied(library: Library, raws: Sequence[bytes]) -> Library:
    """A fork with these changes. The library has no apply: a sync message hands them over."""
    message = b"\x42\0\0\0" + uleb(len(raws)) + b"".join([uleb(len(raw)) + raw for raw in raws])
    fork = library.fork()
    fork.receive_sync_message(SyncState(), Message.decode(message))
    return fork


def _read_root(library: Library) -> dict[str, Plain]:
    return _read_map(library, ROOT, DEPTH_MAX)


def _read_map(library: Library, node: bytes, depth: int) -> dict[str, Plain]:
    # keys() beside values() is 5 times faster than get() for each key.
    return dict(zip(library.keys(node), _read_values(library, node, depth), strict=True))


def _read_values(library: Library, node: bytes, depth: int) -> list[Plain]:
    return [
        _scalar(value) if isinstance(value, tuple) else _read(library, child, value, depth)
        for value, child in library.values(node)
    ]


def _read(library: Library, node: bytes, kind: ObjType, depth: int) -> Plain:
    if depth == 0:
        raise Unusable("too-deep", f"over {DEPTH_MAX} maps or lists in one another")
    if kind == ObjType.Map:
        return _read_map(library, node, depth - 1)
    if kind == ObjType.List:
        return _read_values(library, node, depth - 1)
    return library.text(node)


def _scalar(value: _Value) -> Scalar:
    assert isinstance(value, tuple)
    scalar = value[1]
    if isinstance(scalar, datetime):  # naive and local: not the same on two nodes
        raise Unusable("forbidden-value", "a date")
    return scalar


def _kind(value: Scalar, path: KeyPath) -> ScalarType:
    match value:
        case None:
            return ScalarType.Null
        case bool():
            return ScalarType.Boolean
        case int():
            if -(1 << 63) <= value < 1 << 64:
                return ScalarType.Int if value < 1 << 63 else ScalarType.Uint
            raise Unusable("edit-range", f"{_show(path)}: {value} needs more than 64 bits")
        case float():
            if math.isfinite(value):
                return ScalarType.F64
            raise Unusable("edit-range", f"{_show(path)}: {value} is no number in JSON")
        case str():
            return ScalarType.Str
        case bytes():
            return ScalarType.Bytes


def _count(value: Plain) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _show(path: KeyPath) -> str:
    return "/".join(path) or "the root"


def _names(hashes: Iterable[bytes]) -> str:
    names = sorted(hash.hex()[:12] for hash in hashes)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
