"""The asyncio shell around the swarm: one for all connections of a node.

    fetch        ──> Swarm.want        ──> effects ──┬─> Ask     the session with that peer
    a connection ──> Swarm.came, went                ├─> Blame   ends that session
    PieceCame    ──> Swarm.took                      ├─> Query   the store
    the store    ──> Swarm.answered                  └─> Notify  whoever waits for the blob

A chunk that can be stored without waiting is, in the turn in which it came: then the next one is
asked for while others are still on their way.

What waits in a queue was asked for within the windows of the swarm, so no queue needs a bound.
Sessions from which much is asked want a carrier for that, as long as it is.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from random import Random

from crdt.blob import BlobId
from crdt.keys import AuthorKey, DeviceKey
from p2p.protocol import effects as ask
from p2p.protocol.bandwidth import Rates
from p2p.protocol.effects import Notify, Query
from p2p.protocol.errors import DUPLICATE, NoRoom, NotStored, SyncError
from p2p.protocol.frames import Delta, Holding, Part
from p2p.protocol.looking import NO_ROOM, NOT_STORED, TOO_LARGE
from p2p.protocol.orders import Ask, Blame
from p2p.protocol.pieces import Urgency
from p2p.protocol.ports import SyncStore
from p2p.protocol.swarm import Swarm, SwarmEffect
from p2p.protocol.wanted import PeerNumber
from p2p.transport.answers import answer
from p2p.transport.connection import Connection
from p2p.transport.wish import Wish
from storage.errors import OverQuota, StorageError

LOG = logging.getLogger(__name__)
SOURCE = "swarm"
TOGETHER = 8  # runs: 4 MiB at most
BULK_BYTES = 4 << 20  # so much of a blob is worth another carrier
GONE_MAX = 64  # peers that are remembered, for who waits and is told who left

Progress = Callable[[ask.BlobProgress], None]


BlobEvent = ask.BlobProgress | ask.BlobFetched | ask.BlobFailed


@dataclass(frozen=True, slots=True)
class BlobSaid:
    """A blob that is fetched came further, or to its end."""

    event: BlobEvent


class NoPeerHasIt(SyncError):
    """No connected peer could give the blob."""


class LargerThanWanted(NoPeerHasIt):
    """A peer has it, or its beginning is here, and it is larger than it may be."""


class Fetching:
    """Blobs that this node fetches. `tasks` owns every task that is started here."""

    def __init__(
        self,
        store: SyncStore,
        *,
        rates: Rates,
        random: Random,
        clock: Callable[[], float],
        notify: Callable[[BlobSaid], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._notify = notify
        self._clock = clock
        self._swarm = Swarm(random=random, now_s=clock(), rates=rates)
        self._numbers = count(1)
        self._connections: dict[PeerNumber, Connection] = {}
        self._gone: dict[PeerNumber, AuthorKey | None] = {}  # the last ones, whose they are
        self._replaced: dict[DeviceKey, PeerNumber] = {}  # the last ones, until they are back
        self._reads: asyncio.Queue[Query] = asyncio.Queue()
        self._writes: asyncio.Queue[Query] = asyncio.Queue()
        self._waits: dict[BlobId, dict[asyncio.Future[None], Wish]] = {}
        self._watchers: dict[BlobId, list[Progress]] = {}
        self._bulk: dict[BlobId, dict[PeerNumber, ExitStack]] = {}  # big ones, and who is asked
        self._due = asyncio.Event()  # something is wanted, so time matters
        self.progress: dict[BlobId, ask.BlobProgress | None] = {}
        """What is being fetched, and how far it is as far as that was told."""
        self.unasked: set[BlobId] = set()
        """Those of them that are only kept: nobody waits for them, and nobody is told of them."""
        for work in (self._read, self._write, self._keep_time):
            tasks.create_task(work(), name=f"blobs: {work.__name__.strip('_')}")

    async def fetch(
        self,
        blob: BlobId,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
        progress: Progress | None = None,
    ) -> None:
        """Until the blob is held, verified. Where nobody waits for it any more, it is given up.

        `relative_to`: blobs that it may be much like, the likest first: of the first that is here
        whole, what differs is asked for.
        Raises `NoPeerHasIt`, `LargerThanWanted` where it has more than `size_bytes_max`, and
        `NotStored`.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watchers = self._watchers.setdefault(blob, [])
        if progress is not None:
            watchers.append(progress)
        wish = Wish(size_bytes_max, urgency, relative_to)
        is_first_to_ask = urgency is not Urgency.KEPT and blob in self.unasked
        waits = self._waits.setdefault(blob, {})
        waits[done] = wish
        self.progress.setdefault(blob, None)
        try:
            if is_first_to_ask:  # what was only kept had no room made for it
                self._want_anew(blob, waits.values())
            else:
                self._want(blob, wish)
            await done
        finally:
            if progress is not None and progress in watchers:
                watchers.remove(progress)
            if (waiting := self._waits.get(blob, {})).pop(done, None) is not None:
                self._leave(blob, wish, waiting.values())

    def _want(self, blob: BlobId, wish: Wish) -> None:
        if wish.urgency is not Urgency.KEPT:
            self.unasked.discard(blob)
        elif all(one.urgency is Urgency.KEPT for one in self._waits.get(blob, {}).values()):
            self.unasked.add(blob)
        self._carry_out(
            self._swarm.want(
                blob,
                size_bytes_max=wish.size_bytes_max,
                urgency=wish.urgency,
                relative_to=wish.relative_to,
                now_s=self._clock(),
            )
        )
        self._due.set()

    def _leave(self, blob: BlobId, wish: Wish, others: Iterable[Wish]) -> None:
        """Somebody waits no more. Others who wait have what they asked for, and not what only this
        one did: of what is begun then, no more may come than they take."""
        left = [*others]
        if not left:
            self._forget(blob)
        elif wish.is_within(left):
            return
        self._want_anew(blob, left)

    def _want_anew(self, blob: BlobId, wishes: Iterable[Wish]) -> None:
        """From the beginning: what is here of it, what it may have, and whether it has room."""
        self._carry_out(self._swarm.forget(blob, now_s=self._clock()))
        for wish in [*wishes]:
            self._want(blob, wish)

    # --- peers ---------------------------------------------------------------------------------

    def expect(self, connection: Connection) -> PeerNumber:
        """A session greeted; it will be open soon, or end."""
        number = self._number(connection)
        if number is None:
            back = self._replaced.pop(connection.device, None)
            number = PeerNumber(next(self._numbers)) if back is None else back
            self._connections[number] = connection
            self._swarm.expect(number)
        return number

    def came(self, connection: Connection) -> None:
        """A session is open, or its peer may read something else than before."""
        number = self.expect(connection)
        self._carry_out(self._swarm.came(number, now_s=self._clock()))

    def went(self, connection: Connection) -> None:
        """Its session ended."""
        number = self._number(connection)
        if number is not None:
            del self._connections[number]
            self._gone[number] = connection.session.author
            if len(self._gone) > GONE_MAX:
                del self._gone[next(iter(self._gone))]
            if is_replaced := self._is_replaced(connection):
                self._replaced[connection.device] = number
                if len(self._replaced) > GONE_MAX:
                    del self._replaced[next(iter(self._replaced))]
            for wants in self._bulk.values():
                if (want := wants.pop(number, None)) is not None:
                    want.close()
            effects = self._swarm.went(number, now_s=self._clock(), is_replaced=is_replaced)
            self._carry_out(effects)

    def _is_replaced(self, connection: Connection) -> bool:
        """Whether another session with that peer, which is not here yet, takes its place."""
        if connection.reason is None or connection.reason.code != DUPLICATE:
            return False
        return all(one.device != connection.device for one in self._connections.values())

    def author_of(self, number: int) -> AuthorKey | None:
        """Whose the device of that peer is; None where that is not known, or no longer."""
        connection = self._connections.get(PeerNumber(number))
        return connection.session.author if connection else self._gone.get(PeerNumber(number))

    def took(self, connection: Connection, frame: Part | Delta | Holding) -> None:
        """It answered an Ask."""
        number = self._number(connection)
        if number is not None:
            self._carry_out(self._swarm.took(number, frame, now_s=self._clock()))

    def spend(self, connection: Connection, size: int) -> None:
        """So much else came from it: it counts where bandwidth is limited."""
        number = self._number(connection)
        if number is not None:
            self._swarm.spend(number, size, now_s=self._clock())

    def _number(self, connection: Connection) -> PeerNumber | None:
        return next((n for n, one in self._connections.items() if one is connection), None)

    # --- effects -------------------------------------------------------------------------------

    def _carry_out(self, effects: Sequence[SwarmEffect]) -> None:
        for effect in effects:
            match effect:
                case Ask(peer, get):
                    if (connection := self._connections.get(peer)) is not None:
                        self._want_bulk(peer, BlobId(get.blob))
                        connection.ask(get)
                case Blame(peer, fault):
                    if (connection := self._connections.get(peer)) is not None:
                        connection.blame(fault)
                case Query(_, ask.AddChunks()) if self._store_at_once(effect):
                    pass
                case Query(_, ask.BeginBlob() | ask.AddPage() | ask.AddChunks()):
                    self._writes.put_nowait(effect)
                case Query(_, ask.MissingPages() | ask.MissingChunks()):
                    # Room may be made for it: meanwhile all the others are answered.
                    self._tasks.create_task(self._answer(effect), name="blobs: look")
                case Query():
                    self._reads.put_nowait(effect)
                case Notify(event):
                    self._tell(event)

    def _want_bulk(self, peer: PeerNumber, blob: BlobId) -> None:
        """A big blob comes from there, until it is whole or wanted no more."""
        wants = self._bulk.get(blob)
        if wants is not None and peer not in wants:
            wants[peer] = ExitStack()
            wants[peer].enter_context(self._connections[peer].want_bulk())

    def _tell(self, event: ask.SessionEvent) -> None:
        if isinstance(event, BlobEvent) and event.blob not in self.unasked:
            self._notify(BlobSaid(event))
        match event:
            case ask.BlobProgress(blob=blob):
                if blob in self.progress:
                    self.progress[blob] = event
                    if event.total_bytes - event.size_bytes >= BULK_BYTES:
                        self._bulk.setdefault(blob, {})
                for watcher in list(self._watchers.get(blob, ())):
                    watcher(event)
            case ask.BlobFetched(blob):
                for done in self._forget(blob):
                    done.set_result(None)
            case ask.BlobFailed(blob, code, sentence):
                for done in self._forget(blob):
                    if code in (NOT_STORED, NO_ROOM):
                        lacking = NoRoom if code == NO_ROOM else NotStored
                        done.set_exception(lacking(NOT_STORED, sentence))
                    else:
                        fault = f"No peer could give it ({sentence})."
                        kind = LargerThanWanted if code == TOO_LARGE else NoPeerHasIt
                        done.set_exception(kind("no-peer-has-it", fault))
            case _:
                return

    def _forget(self, blob: BlobId) -> list[asyncio.Future[None]]:
        """Those who wait for it still."""
        self.progress.pop(blob, None)
        self.unasked.discard(blob)
        self._store.release_room(blob)
        self._watchers.pop(blob, None)
        for want in self._bulk.pop(blob, {}).values():
            want.close()
        return [done for done in self._waits.pop(blob, {}) if not done.done()]

    async def _read(self) -> None:
        while True:
            await self._answer(await self._reads.get())

    def _store_at_once(self, query: Query) -> bool:
        """Whether what it asks for could be done, or not, without waiting."""
        run, reply = query.question, None
        assert isinstance(run, ask.AddChunks), "nothing else is asked for at once"
        try:
            if not self._store.add_at_once(run.blob, run.first, run.chunks, run.hashes):
                return False
        except Exception as error:
            reply = _unstored(error)
        self._carry_out(self._swarm.answered(query.id, reply, now_s=self._clock()))
        return True

    async def _write(self) -> None:
        """One after the other, in the order they came; runs of one blob that wait go together."""
        following: Query | None = None
        while True:
            first = following or await self._writes.get()
            following = None
            runs = [first]
            while _is_run_of(first, first) and len(runs) < TOGETHER and not self._writes.empty():
                following = self._writes.get_nowait()
                if not _is_run_of(first, following):
                    break
                runs.append(following)
                following = None
            if _is_run_of(first, first):
                # What waited for the thread may not need it: else the next would wait for it too.
                if left := [run for run in runs if not self._store_at_once(run)]:
                    await self._store_runs(left)
            else:
                await self._answer(first)

    async def _store_runs(self, queries: Sequence[Query]) -> None:
        """One transaction for all of them."""
        runs = [query.question for query in queries if isinstance(query.question, ask.AddChunks)]
        chunks = [chunk for run in runs for chunk in enumerate(run.chunks, run.first)]
        hashes = [hash for run in runs for hash in run.hashes]
        reply: object = None
        try:
            await self._store.add_chunks(runs[0].blob, chunks, hashes=hashes)
        except Exception as error:
            reply = _unstored(error)
        for query in queries:
            self._carry_out(self._swarm.answered(query.id, reply, now_s=self._clock()))

    async def _answer(self, query: Query) -> None:
        try:
            reply = await self._ask_store(query)
        except Exception as error:
            reply = _unstored(error)
        match query.question:
            case ask.MissingChunks(blob) if blob not in self.progress:  # given up meanwhile
                self._store.release_room(blob)
            case _:
                pass
        self._carry_out(self._swarm.answered(query.id, reply, now_s=self._clock()))

    async def _ask_store(self, query: Query) -> object:
        match query.question:
            case ask.MayKnowBlob(blob, peer):
                connection = self._connections.get(PeerNumber(peer))
                if connection is None:
                    return False
                return await self._store.may_know_blob(blob, connection.session.readable.claims)
            case question:
                return await answer(self._store, question, source=SOURCE)

    async def _keep_time(self) -> None:
        while True:
            await self._due.wait()
            wake_s = self._swarm.wake_s
            if wake_s is None:
                self._due.clear()
                continue
            await asyncio.sleep(max(0.005, wake_s - self._clock()))
            adrift = {one for one, each in self._connections.items() if each.link.is_adrift}
            self._carry_out(self._swarm.tick(now_s=self._clock(), adrift=adrift))


def _unstored(error: Exception) -> ask.Unstored:
    """Why it was not stored. A bug of ours costs this blob, not the session nor the node."""
    if isinstance(error, StorageError):
        LOG.warning("a blob cannot be fetched: %s", error)
        return ask.Unstored(str(error), isinstance(error, OverQuota))
    LOG.error("a blob cannot be fetched", exc_info=error)
    return ask.Unstored("This node could not go on.")


def _is_run_of(first: Query, query: Query) -> bool:
    """Whether both bring chunks of one blob."""
    one, other = first.question, query.question
    if not isinstance(one, ask.AddChunks) or not isinstance(other, ask.AddChunks):
        return False
    return one.blob == other.blob
