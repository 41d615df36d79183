"""Quarantine: everything that was refused, with the reason; counted and bounded.

The same bytes refused again for the same reason only raise a count and get the newest number, so
that a peer which repeats itself pushes nothing else out, and what happens now is listed first.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blake3 import blake3

from storage.database import Writing
from storage.part import Part, in_bounds

ROWS_MAX = 10_000
BYTES_MAX = 64 << 20
DATA_BYTES_MAX = 128 << 10  # of one refused thing: a whole entry (64 KiB payload) fits
TEXT_CHARS_MAX = 2_000  # of the detail: an error may quote what it refuses
PAGE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not taken."""

    source: str
    """Who gave it: "peer z6Mk…", "api", "file …"."""
    where: str
    """What it was: an entry's path, a request, a file."""
    code: str
    detail: str
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A refusal as it is listed."""

    id: int
    at_us: int
    refusal: Refusal
    count: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """A refusal from before it could be remembered here."""

    refusal: Refusal
    at_us: int
    """When it came last."""
    count: int


class Quarantine(Part):
    async def refuse(self, source: str, where: str, code: str, detail: str, data: bytes) -> None:
        """Remembers one refusal."""
        async with self._database.transaction() as write:
            await add_refusals(
                write, [Refusal(source, where, code, detail, data)], self._clock_us()
            )

    async def refuse_all(self, counted: Sequence[tuple[Refusal, int]]) -> None:
        """Remembers these, each so many times, in one transaction."""
        now_us = self._clock_us()
        await self.refuse_earlier([Earlier(one, now_us, times) for one, times in counted])

    async def refuse_earlier(self, refusals: Sequence[Earlier]) -> None:
        """Remembers these with their own times, in one transaction."""
        if not refusals:
            return
        async with self._database.transaction() as write:
            await _add(write, (_row(one.refusal, one.at_us, one.count) for one in refusals))

    async def refused(self, limit: int = 100, cursor: int | None = None) -> list[RefusedRow]:
        """What came last first; go on by giving the last id as `cursor`."""
        rows = await self._database.rows(
            "SELECT number, at_us, source, place, code, detail, data, times FROM quarantine"
            " WHERE number < ? ORDER BY number DESC LIMIT ?",
            (cursor or (1 << 62), in_bounds(limit, PAGE_MAX)),
        )
        return [
            RefusedRow(number, at_us, Refusal(source, place, code, detail, data), times)
            for number, at_us, source, place, code, detail, data, times in rows
        ]

    async def refused_of(self, sources: Sequence[str]) -> int:
        """How often something of these was refused, repeats counted; as far as is remembered."""
        # `times` stands behind the bytes, and is read of the index that has it: those may be many.
        row = await self._database.row(
            "SELECT sum((SELECT times FROM quarantine i INDEXED BY quarantine_by_size"
            " WHERE i.number = q.number)) FROM quarantine q"
            f" WHERE source IN ({', '.join('?' * len(sources))})",
            tuple(sources),
        )
        return int(row[0] or 0) if row else 0


async def add_refusals(write: Writing, refusals: Sequence[Refusal], at_us: int) -> None:
    """Within a transaction that may do more. The oldest make room."""
    if refusals:
        counted = Counter(refusals)  # a blocked author's entries are one row
        await _add(write, (_row(one, at_us, times) for one, times in counted.items()))


async def add_counted(write: Writing, counted: Sequence[tuple[Refusal, int]], at_us: int) -> None:
    """As `add_refusals`, each so many times."""
    if counted:
        await _add(write, (_row(one, at_us, times) for one, times in counted))


async def _add(write: Writing, rows: Iterable[tuple[object, ...]]) -> None:
    await write.run_many(
        "INSERT INTO quarantine (at_us, source, place, code, detail, digest, size, data, times)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE"
        " SET times = times + excluded.times, at_us = max(at_us, excluded.at_us),"
        " number = iif(excluded.at_us < at_us, number,"
        " (SELECT max(number) + 1 FROM quarantine))",
        rows,
    )
    await write.run(
        """DELETE FROM quarantine WHERE number <= (
               SELECT max(number) FROM (
                   SELECT number, row_number() OVER newest AS place, sum(size) OVER newest AS bytes
                   FROM quarantine WINDOW newest AS (ORDER BY number DESC))
               WHERE place > ? OR bytes > ?)""",
        (ROWS_MAX, BYTES_MAX),
    )


def _row(refusal: Refusal, at_us: int, times: int) -> tuple[object, ...]:
    data = refusal.data[:DATA_BYTES_MAX]
    source, where, code, detail = (
        _clean(text) for text in (refusal.source, refusal.where, refusal.code, refusal.detail)
    )
    digest = blake3("\0".join((source, where, code)).encode() + b"\0" + refusal.data).digest()
    size = len(data) + len(detail) + len(where)
    return at_us, source, where, code, detail, digest, size, data, times


def _clean(text: str) -> str:
    """Lone surrogates cannot be stored, and a page of text helps nobody."""
    return text[:TEXT_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
