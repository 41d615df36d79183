"""What was refused, as people list it: at the door, and held without counting.

door   what was not taken: kept in quarantine with its reason, repeats counted
held   a change that is well made, and so is kept, but does not count for its document
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from crdt.did import encode_did_key
from crdt.held import Reason
from crdt.path import shown
from node import spool
from node.api.models import Request
from p2p.protocol.errors import RemoteProtocolError
from registry.listed import rfc3339
from storage.documents import LeftOutRow
from storage.errors import StorageError
from storage.quarantine import Earlier, Refusal, RefusedRow
from storage.store import Store

log = logging.getLogger(__name__)

# Different ones that wait for the disk. Where strangers offend faster than it takes them, the rest
# is counted by what they did, and holds up nobody.
PENDING_MAX: Final = 64
SEVERAL: Final = "several peers"
TOO_FAST: Final = "several did so, faster than each could be written down"

API: Final = "api"
"""What a request asked for."""
CLIENT: Final = "client"
"""What a command found wrong before it asked for it."""
COMMAND_LINE: Final = "command line"
"""Its arguments were wrong in themselves."""
OURS: Final = (API, CLIENT, COMMAND_LINE)
"""Slips of people and programs that this node works for; all else came from others."""

DEVICE_HEX_CHARACTERS: Final = 64

# The end of the year 9999, in µs: an author may claim any time.
LATEST_US: Final = 253_402_300_799_999_999

WHY_HELD: Final[Mapping[str, str]] = {
    Reason.MISSING_DEPENDENCY: "it waits for a change that it builds on and that is not here",
    Reason.UNKNOWN_AUTHORITY: "it waits for an authority record that it cites",
    Reason.REVOKED: "the right of its device to write here was taken back",
    Reason.LOST_BRANCH: "its device signed two changes with one number, and the other one stands",
    Reason.EXCLUDED_DEPENDENCY: "it builds on a change that does not count",
    Reason.BROKEN_CHAIN: "its number does not continue what it builds on",
    Reason.OVER_LIMIT: "the document is full",
    Reason.REPEATED: "another entry carries the same change",
}


class RefusedItem(Struct, frozen=True):
    id: int
    at: str
    """When it was refused; where it is held, when it was signed, by the claim of its author."""
    source: str
    where: str
    code: str
    detail: str
    count: int
    held: bool = False
    """A change that is kept and does not count; all else was not taken."""


class RefusedPage(Struct, frozen=True):
    refused: tuple[RefusedItem, ...]
    next: str | None


class RefusedNote(Request, frozen=True):
    """What the command line did not even send: a file that is too large, a broken manifest."""

    where: Annotated[str, Meta(min_length=1, max_length=1_000)]
    code: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,63}$")]
    detail: Annotated[str, Meta(max_length=2_000)]
    source: Literal["client", "command line"] = "client"
    """`command line`: its arguments were wrong in themselves."""


class Refusals:
    """Notes what peers did wrong; whoever notes never waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: Counter[Refusal] = Counter()
        self._noted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def note(self, source: str, where: str, error: RemoteProtocolError) -> None:
        """To be listed soon, among several of its kind where too much is pending."""
        one = Refusal(source, where, error.code, error.sentence, error.sentence.encode())
        if one not in self._pending and len(self._pending) >= PENDING_MAX:
            # One row for each code, and there are so many codes only.
            one = Refusal(SEVERAL, where, error.code, TOO_FAST, error.code.encode())
        self._pending[one] += 1
        self._idle.clear()
        self._noted.set()

    async def run(self) -> None:
        """Until cancelled: write down what was noted, all that is pending at once."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            batch, self._pending = self._pending, Counter()
            try:
                await self._store.refuse_all(list(batch.items()))
            except StorageError as error:  # a disk that is full costs the notes, nothing else
                log.warning("could not note %d refusals: %s", batch.total(), error)
            if not self._pending:
                self._idle.set()

    async def all_written(self) -> None:
        """Ends when nothing is pending."""
        await self._idle.wait()


async def write_down(store: Store, one: Refusal) -> None:
    """A disk that is full costs the note, not what it was about."""
    try:
        await store.refuse(one.source, one.where, one.code, one.detail, one.data)
    except StorageError as error:
        log.warning("could not note a refusal of %s: %s", one.source, error)


async def take_in(store: Store, home: str) -> None:
    """What the command line put aside while no node answered; it stays there if that fails."""
    if spool.is_empty(home):
        return
    try:
        lock = await asyncio.to_thread(spool.lock_of, home)
        try:
            waiting = await asyncio.to_thread(spool.read, home)
            await store.refuse_earlier([earlier(one) for one in waiting])
            spool.clear(home)
        finally:
            os.close(lock)
    except (OSError, StorageError) as error:
        log.warning("could not take in %s: %s", spool.FILE, error)


def earlier(one: spool.Spooled) -> Earlier:
    said = one.detail.encode(errors="backslashreplace")
    refusal = Refusal(COMMAND_LINE, one.where, one.code, one.detail, said)
    return Earlier(refusal, one.at_us, one.count)


async def refused_page(
    store: Store, limit: int, after: str | None
) -> tuple[list[RefusedItem], str | None]:
    """What is held without counting first, then the door, both newest first; and where to go on."""
    is_held, number = read_place(after)
    items: list[RefusedItem] = []
    if is_held:
        held = await store.left_out(limit, number)
        items += map(show_held, held)
        if len(held) == limit:
            return items, f"held {held[-1].number}"
        number = None
    if rows := await store.refused(limit - len(items), number):
        items += map(show_refused, rows)
    return items, f"door {rows[-1].id}" if len(items) == limit else None


def read_place(after: str | None) -> tuple[bool, int | None]:
    """(whether it lies in what is held, the number) of a cursor that was ours."""
    part, _, number = (after or "held").partition(" ")
    return part == "held", int(number) if number else None


def show_held(row: LeftOutRow) -> RefusedItem:
    document = row.document
    return RefusedItem(
        id=row.number,
        at=rfc3339(min(row.signed_us, LATEST_US)),
        source=encode_did_key(row.device),
        where=shown((document.cls.encode(), document.kind.encode(), document.record)),
        code=row.code,
        detail=WHY_HELD.get(row.code, "its content cannot be used"),
        count=1,
        held=True,
    )


def show_refused(row: RefusedRow) -> RefusedItem:
    one = row.refusal
    at = rfc3339(row.at_us)
    return RefusedItem(row.id, at, who(one.source), one.where, one.code, one.detail, row.count)


def who(source: str) -> str:
    """The store knows a peer by the hex of its device key; people know it by its did."""
    try:
        is_device = len(source) == DEVICE_HEX_CHARACTERS
        return encode_did_key(bytes.fromhex(source)) if is_device else source
    except ValueError:
        return source
