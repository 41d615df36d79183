"""The way back over the epochs of a record: what decides about them, and how far one has come.

See `storage.carried`. The newest open epoch is what is shown. It and each open one before it are a
level; an old epoch, open or not, goes on in the next level above it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crdt.change import DocumentId
from crdt.digest import payload_digest
from storage.database import Reading, Row, Writing
from storage.epoch_says import Epoch, Keys
from storage.namers import note_private, private_namers

KNOWN_MAX: Final = 50_000  # epochs of which is known what came of them: some 15 MB
SETS_MAX: Final = 16  # records that are half walked; of each some thousand keys


def _same(one: str, other: str) -> str:
    """Whether two rows of `document` are epochs of one record."""
    columns = ("record", "author", "kind", "class", "namespace")
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in columns)


# Epochs before one that is listed, with that one. The first one is found by its id: the index of
# the others does not have it.
_OLD: Final = f"""(
    SELECT n.number AS shown, o.number, o.id FROM document n
        JOIN document o ON o.id = CAST(substr(n.id, 1, length(n.id) - 4) || x'00000000' AS BLOB)
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing)
        UNION ALL SELECT n.number, o.number, o.id FROM document n
            JOIN document o ON {_same("o", "n")} AND o.epoch < n.epoch AND o.epoch > 0
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing))"""
# As far as they alone keep something that is here. Most of what old epochs name the shown one names
# too: that is asked first, as a canonical state is named by all of hundreds of epochs.
ALONE: Final = f"""
    SELECT shown, number, id FROM {_OLD} old WHERE EXISTS (
        SELECT 1 FROM blob_use u JOIN blob b ON b.id = u.blob WHERE u.document = old.number
            AND NOT EXISTS (
                SELECT 1 FROM blob_use s
                WHERE s.document = old.shown AND s.blob = u.blob AND s.size NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM blob_use s WHERE s.blob = u.blob AND s.size NOT NULL))"""
# Each change of a document gives it a new number in the outbox; what concerns it makes it stale.
_AS_OF: Final = (
    "(SELECT seq FROM outbox WHERE document = d.number), d.number IN (SELECT document FROM stale)"
)
# The open epochs of a record, the newest first.
_OPEN: Final = f"""
    SELECT d.number, d.id, {_AS_OF}, d.number IN (SELECT document FROM listing)
    FROM document s JOIN document d ON {_same("d", "s")} AND d.epoch > 0 AND d.carried IS NOT NULL
    WHERE s.number = ? ORDER BY d.epoch DESC"""
_EACH: Final = f"SELECT d.number, {_AS_OF} FROM document d WHERE d.number IN (*)"


class StoppedError(Exception):
    """It is enough for now, or something has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Level:
    """An epoch on the way from an old one to the one that is shown."""

    number: int
    id: DocumentId
    seq: int


@dataclass(frozen=True, slots=True)
class State:
    """All that decides what became of the old epochs of a record."""

    open: Sequence[Row]
    """The newest first: number, id, number in the outbox, whether stale, whether listed."""
    old: Mapping[int, tuple[int, int]]
    """By document: its number in the outbox, whether it is stale."""
    standing: int
    """Each change of a statement counts."""

    @property
    def levels(self) -> list[Level]:
        """None while something is to be judged again, or the newest is not what is shown."""
        is_stale = any(row[3] for row in self.open) or any(row[1] for row in self.old.values())
        if is_stale or not self.open or not self.open[0][4]:
            return []
        return [Level(number, DocumentId.decode(id), seq) for number, id, seq, *_ in self.open]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What an old epoch names no more."""

    document: int
    blobs: frozenset[bytes]
    reason: tuple[object, ...]
    """As of what: its number in the outbox, that of the next open one, the digest of what need not
    be named by those that go on in that."""


@dataclass(slots=True)
class Known:
    """What came of it before: as long as this process runs."""

    levels: dict[int, tuple[int, bytes, bytes]] = field(
        default_factory=dict[int, tuple[int, bytes, bytes]]
    )
    """By document: its number in the outbox, the digest of what need not be named by those that go
    on in the next one, and of what need not by those that go on in this."""
    done: dict[int, tuple[object, ...]] = field(default_factory=dict[int, tuple[object, ...]])
    """By document of an old epoch that has nothing more to forget: `Forgotten.reason`."""
    sets: dict[bytes, Keys] = field(default_factory=dict[bytes, Keys])
    """By digest, those on which a walk ended before its end."""
    last: int = 0
    """The record at which it was enough."""

    def keep(self, walk: "Walk") -> None:
        """Where it ended, for the next one."""
        if walk.at >= 0:
            digest = digest_of(walk.needless)
            self.sets.pop(digest, None)
            self.sets[digest] = walk.needless

    def copy(self) -> "Known":
        return Known(dict(self.levels), dict(self.done), dict(self.sets), self.last)

    def shrink(self) -> None:
        for known in (self.levels, self.done):
            if len(known) > KNOWN_MAX:
                known.clear()
        while len(self.sets) > SETS_MAX:
            del self.sets[next(iter(self.sets))]


@dataclass(frozen=True, slots=True)
class Round:
    """One look at all of them."""

    known: Known
    forget: Callable[["Walk", Sequence[Forgotten]], Awaitable[bool]]
    """Does what was found; gives whether nothing had changed meanwhile."""
    rotted: list[str] = field(default_factory=list[str])
    """What is damaged of the records that were looked at."""


@dataclass(slots=True)
class Walk:
    """One record, from what is shown back."""

    shown: int
    old: Mapping[int, DocumentId]
    state: State
    levels: Sequence[Level]
    round: "Round"
    digests: list[bytes] = field(default_factory=list[bytes])
    at: int = -1
    needless: Keys = frozenset()
    """What those need not name that go on in the level `at`."""
    read: Epoch | None = None
    """The last one."""
    names: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """Blobs by what names them, of the last old epoch."""
    found: list[Forgotten] = field(default_factory=list[Forgotten])
    forgotten: int = 0
    ops_left: int = 0


async def state_of(view: Reading, shown: int, old: Sequence[int]) -> State:
    return State(
        await view.rows(_OPEN, (shown,)),
        {number: (seq, stale) for number, seq, stale in await view.rows_in(_EACH, old)},
        await view.number("SELECT standing FROM store"),
    )


async def as_of(view: Reading, number: int, seq: int, *columns: str) -> Row:
    """These columns of a document. Raises `StoppedError` where it is not what it was."""
    more = "".join(f", d.{column}" for column in columns)
    row = await view.row(f"SELECT {_AS_OF}{more} FROM document d WHERE d.number = ?", (number,))
    if row is None or tuple(row[:2]) != (seq, 0):
        raise StoppedError
    return row[2:]


async def forget(shown: int, state: State, forgotten: Sequence[Forgotten], write: Writing) -> bool:
    """Unless something has changed since it was read: then the next one looks at it anew."""
    if await state_of(write, shown, [*state.old]) != state:
        return False
    before = await private_namers(write, (blob for one in forgotten for blob in one.blobs))
    await write.run_many(
        "DELETE FROM blob_use WHERE document = ? AND blob = ?",
        ((one.document, blob) for one in forgotten for blob in one.blobs),
    )
    await note_private(write, before)
    return True


async def blobs_of(view: Reading, document: int) -> frozenset[bytes]:
    """All that are named by it."""
    rows = await view.rows("SELECT blob FROM blob_use WHERE document = ?", (document,))
    return frozenset(blob for (blob,) in rows)


def digest_of(keys: Keys) -> bytes:
    return payload_digest(b"".join(sorted(keys)))


NOTHING: Final = digest_of(frozenset())
