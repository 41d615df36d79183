"""The store: everything a node keeps, in one SQLite file.

Entries come in by two doors, `receive` (from others, checked) and `commit` (our own acts); each is
one durable transaction that also brings the documents, lists, ratings and the outbox in step. All
the rest reads, or keeps what is this node's own: blobs, what is installed, whom it knows and how
this person calls them, and the wallet.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from crdt.capability import CapabilityCache
from crdt.change import (
    CheckedEntry,
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    encode_signed,
)
from crdt.document import Editor
from crdt.errors import CrdtError
from crdt.held import Reason
from crdt.keys import AuthorKey
from crdt.path import shown
from storage.acts import Act, sign_act
from storage.address_book import AddressBook
from storage.advised import Advised
from storage.answers import Answers
from storage.append import append, rewrite, settle, without_known
from storage.appended import Arrivals, Listener
from storage.attestations import Attestations
from storage.authorities import SELF, Authorities, Committed
from storage.beside import NextTo
from storage.blobs import Blobs
from storage.blocked import BlockedKeys, keep_out
from storage.cards import Cards
from storage.carried import Carried
from storage.challenges import Challenges
from storage.claimed import Claimed
from storage.copies import Copies
from storage.counted import Counted, Counts
from storage.database import Database, Writing, nobody, nothing, open_database
from storage.dated import Dated
from storage.devices import Devices
from storage.documents import Materialiser
from storage.doings import Doings
from storage.dropping import Dropping
from storage.errors import RecordFull, StorageError
from storage.explaining import Explaining
from storage.foreseeing import Foreseeing
from storage.forks import Forks
from storage.gate import Gate, Giver
from storage.installed import InstalledModules
from storage.invites import Invites
from storage.items import Items
from storage.letters import Letters
from storage.listing import Listing, Projector
from storage.listings import ListedRow, Listings
from storage.mending import Mended
from storage.named_in_universes import NamedInUniverses
from storage.namers import Namers, note_namers
from storage.namesakes import Namesakes
from storage.namespaces import Namespaces
from storage.offences import OffenderList
from storage.petnames import Petnames
from storage.pinned import Pinned
from storage.put_before import PutBefore
from storage.quarantine import Quarantine, Refusal, add_refusals
from storage.quota import Quota, knows_areas, remember_areas
from storage.ready_universes import ReadyUniverses
from storage.relayed import Relayed
from storage.restating import restate
from storage.shown_row import shown_row
from storage.signed_of import SignedOfAuthors
from storage.snapshots import Snapshots, last_snapshot, named_after
from storage.usage import is_own, measure_areas, set_own
from storage.usages import Usages
from storage.workers import WORKERS, open_workers

__all__ = ["SELF", "Committed", "Counts", "Received", "Rehearsed", "Store", "open_store"]
# Raise it with every change of what is derived from entries: validity, projection, columns. What an
# older version wrote is then made again from its entries when it is opened.
DERIVED = 12
REMATERIALISED = 200  # documents in one transaction, so that other writers get their turn
DEFAULT = Quota()
CHECKED_ALONE_MAX = 32  # fewer entries are not worth a second thread


def _nobody(done: int, total: int) -> None:
    """Hears of progress that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a `commit` would write."""

    row: ListedRow | None
    """By which lists would show the record then; None where they would not."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch."""

    added: tuple[bytes, ...]
    """32-byte ids of the entries that are new here, durable now."""
    known: int
    refused: tuple[Refusal, ...]


class Store(
    Authorities,
    Foreseeing,
    Carried,
    Dropping,
    Explaining,
    PutBefore,
    Forks,
    Items,
    Listings,
    Namesakes,
    Namers,
    Snapshots,
    NextTo,
    ReadyUniverses,
    Blobs,
    Pinned,
    Quarantine,
    InstalledModules,
    Attestations,
    SignedOfAuthors,
    Challenges,
    Answers,
    AddressBook,
    Advised,
    Dated,
    Doings,
    NamedInUniverses,
    Cards,
    Petnames,
    Namespaces,
    OffenderList,
    BlockedKeys,
    Usages,
    Devices,
    Copies,
    Claimed,
    Counted,
    Relayed,
    Letters,
    Invites,
):
    """Made by `open_store`."""

    def __init__(
        self,
        database: Database,
        clock_us: Callable[[], int],
        materialiser: Materialiser,
        quota: Quota,
    ) -> None:
        super().__init__(database, clock_us, materialiser)
        self.quota = quota

    async def receive(
        self, entries: Sequence[SignedEntry], *, source: str, author: AuthorKey | None = None
    ) -> Received:
        """Checks entries from outside and keeps the good ones, all in one durable transaction.

        What is refused goes to quarantine with its reason, and takes nothing else with it. `author`
        is for whom the source has proved to speak. Raises `OverQuota` where the disk is full.
        """
        entries, blocked = self._without_blocked(entries)
        checked, refused = await self._check(entries, source)
        if self._blocked:
            checked, theirs = self._without_their_devices(checked)
            blocked += theirs
        arrivals = Arrivals((), source, self._clock_us())
        known = 0
        if checked or refused or blocked:
            async with self._database.transaction() as write:
                fresh, known = await without_known(write, checked)
                gate = Gate(write, self.quota, Giver(source, author), self._materialiser)
                arrivals = Arrivals(await gate.admit(fresh), source, self._clock_us())
                if arrivals.entries:
                    await append(write, arrivals, self._materialiser)
                    if await gate.enforce():
                        gone, _ = await without_known(write, arrivals.entries)
                        gate.refuse(gone)
                        await settle(write, self._materialiser)
                        arrivals = replace(arrivals, entries=_without(arrivals.entries, gone))
                refused += await keep_out(write, blocked, source, self.quota.kept_out_max)
                await add_refusals(write, refused, arrivals.at_us)
                refused += await gate.settle(arrivals.at_us)
                if gate.is_full:
                    write.after_commit(partial(self.note_full, source))
                write.after_commit(partial(self._tell, arrivals))
        return Received(tuple(one.id for one in arrivals.entries), known, tuple(refused))

    async def commit(
        self,
        document: DocumentId,
        edit: Callable[[Editor], None],
        signer: Signer,
        *,
        auth_heads: Iterable[bytes] = (),
        is_letting_go: bool = False,
    ) -> Committed | None:
        """One act of our own on a record, signed and durable; None where `edit` changed nothing.

        The newest epoch of `document` is written; a record that has grown long goes on in the next
        one, all in the same transaction. The only way this node writes. `is_letting_go`: as in
        `Act`.

        What `edit` raises passes through, and nothing happened. Raises `CrdtError` where the signer
        may not, or the change is too large; `StorageError` where it would not count, as in a record
        that is full.
        """
        act = Act(document, edit, signer, tuple(auth_heads), self._clock_us(), is_letting_go)
        return await self._database.transact(partial(self._carry_out, act))

    async def rehearse(
        self,
        document: DocumentId,
        edit: Callable[[Editor], None],
        signer: Signer,
        *,
        is_letting_go: bool = False,
    ) -> Rehearsed | None:
        """What `commit` would do, all of whose checks are made; None where `edit` changes nothing.

        Nothing is kept or told. Raises as `commit`.
        """
        act = Act(document, edit, signer, (), self._clock_us(), is_letting_go)

        async def rehearsed(write: Writing) -> Rehearsed | None:
            if await self._carry_out(act, write) is None:
                return None
            return Rehearsed(await shown_row(write, document))

        return await self._database.transact(rehearsed, is_kept=False)

    async def _carry_out(self, act: Act, write: Writing) -> Committed | None:
        """In the thread of the writer: see `Database.transact`."""
        materialiser = self._materialiser.here
        signed = await sign_act(write, act, materialiser)
        if not signed.entries:
            return None
        checked = _check_own(signed.entries, materialiser.capabilities)
        arrivals = Arrivals(checked, SELF, act.now_us)
        write.after_commit(partial(self._tell, arrivals))
        before = await last_snapshot(write)
        became = await append(write, arrivals, materialiser, [signed.work])
        (built,) = [one for one in became if one.work.document == checked[0].document]
        for one in checked:
            if code := built.left_out.get(one.id):
                kind = RecordFull if code == Reason.OVER_LIMIT else StorageError
                raise kind(
                    f"This record takes no such change: it would not count [{code}]. Nothing"
                    " was written."
                )
        write.after_commit(partial(materialiser.last.keep, built.work))
        if isinstance(built.projection, Listing):
            named = [bytes.fromhex(one.id) for one in built.projection.blobs]
            if built.projection.parts is not None and built.work.number is not None:
                named += await named_after(write, built.work.number, before)
            await note_namers(write, named)
        return Committed(checked[-1].id, signed.entries[-1], built.heads)

    async def rematerialise(self, told: Callable[[int, int], None] = _nobody) -> int:
        """Makes documents, lists and ratings again from the entries; gives how many documents.

        After an update that projects otherwise, or on `reindex`. Each batch is whole by itself.
        `told` hears how many of how many are done, with every batch: 100,000 take half a minute.
        """
        async with self._database.transaction() as write:
            # Whoever is stopped on the way begins again: `stale` no longer says what is left to do.
            await write.run("UPDATE store SET derived = 0")
            await restate(write, self._materialiser.workers)
            total = await write.number("SELECT count(*) FROM document")
        done = cursor = 0
        while rows := await self.documents(limit=REMATERIALISED, cursor=cursor):
            async with self._database.transaction() as write:
                await rewrite(write, [row.id for row in rows], self._materialiser)
            done, cursor = done + len(rows), rows[-1].number
            told(done, max(done, total))
        async with self._database.transaction() as write:
            await write.run("UPDATE store SET derived = ?", (DERIVED,))
        return done

    async def is_outdated(self) -> bool:
        """Whether documents, lists and ratings were made by the rules of another version."""
        async with self._database.reading() as view:
            return await view.number("SELECT derived FROM store") != DERIVED

    async def prepare_quota(self) -> None:
        """Brings what is counted in step with who this node is, and with its settings."""
        async with self._database.reading() as view:
            is_in_step = await is_own(view, self.quota.own) and await knows_areas(
                view, self.quota.areas
            )
        if is_in_step:
            return
        async with self._database.transaction() as write:
            await set_own(write, self.quota.own)
            await remember_areas(write, self.quota.areas)
            await measure_areas(write)

    @property
    def mended(self) -> Mended:
        """What the last end of the process, or a loss of power, had left behind among blobs."""
        return self._database.mended

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """`listener` hears of entries appended from now on; see `Appended`."""
        return self.appended.subscribe(listener)

    async def _check(
        self, entries: Sequence[SignedEntry], source: str
    ) -> tuple[list[CheckedEntry], list[Refusal]]:
        """Stateless checks in worker threads; results in the order given."""
        workers, capabilities = self._materialiser.workers, self._materialiser.capabilities
        share = max(CHECKED_ALONE_MAX, -(-len(entries) // WORKERS))
        parts = [entries[at : at + share] for at in range(0, len(entries), share)]
        done = await asyncio.gather(
            *(workers.run(_check_each, part, capabilities, source) for part in parts)
        )
        checked = [one for part, _ in done for one in part]
        return checked, [refusal for _, part in done for refusal in part]


def _without(entries: Sequence[CheckedEntry], gone: Sequence[CheckedEntry]) -> list[CheckedEntry]:
    ids = {one.id for one in gone}
    return [one for one in entries if one.id not in ids]


def _check_own(entries: Sequence[SignedEntry], capabilities: CapabilityCache) -> list[CheckedEntry]:
    return [check_entry(one, capabilities) for one in entries]


def _check_each(
    entries: Sequence[SignedEntry], capabilities: CapabilityCache, source: str
) -> tuple[list[CheckedEntry], list[Refusal]]:
    checked: list[CheckedEntry] = []
    refused: list[Refusal] = []
    for signed in entries:
        try:
            checked.append(check_entry(signed, capabilities))
        except CrdtError as error:
            where = shown(signed.entry.path)
            refused.append(Refusal(source, where, error.code, error.detail, encode_signed(signed)))
    return checked, refused


@asynccontextmanager
async def open_store(
    path: Path,
    *,
    project: Projector,
    clock_us: Callable[[], int],
    quota: Quota = DEFAULT,
    on_step: Callable[[str], None] = nothing,
    on_remade: Callable[[int, int], None] = _nobody,
    on_rescue: Callable[[], None] = nobody,
) -> AsyncGenerator[Store]:
    """The store at `path`, made or migrated if need be, closed on leaving.

    `quota` is what may be kept of others. Large blobs lie in a folder beside it. `project` turns
    documents into list rows, `clock_us` gives Unix microseconds; `on_step` is for tests that stop
    the process at a write. `on_remade` hears how many documents of how many were made again, where
    another version derived them; `on_rescue` as in `open_database`.
    Raises `NewerSchema` or `Corrupt`.
    """
    with open_workers() as workers:
        async with open_database(
            path, on_step=on_step, on_rescue=on_rescue, free_bytes=quota.disk_free_bytes
        ) as database:
            store = Store(database, clock_us, Materialiser(project, workers), quota)
            await store.load_blocked()
            await store.prepare_quota()
            if await store.is_outdated():
                await store.rematerialise(on_remade)
            yield store
