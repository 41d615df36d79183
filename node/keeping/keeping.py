"""Fetches what followed authors' records name, and what records of joined namespaces do.

    news, peers, names, time ─▸ look ─▸ `plan.decide` ─▸ line ─▸ fetched, a few at a time
                                  └─▸ what is over the budget goes        │
                                                                          └─▸ room is made first

Everything is decided anew at each look from what the store holds, so nothing is lost with the
process. It fetches with the least urgency: whatever a person waits for goes first.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from crdt.blob import BlobId
from crdt.keys import COMMONS, AuthorKey, NamespaceKey, is_communal
from node.keeping.failing import note_failure
from node.keeping.freeing import give_back
from node.keeping.gate import Gate
from node.keeping.kept_bytes import KeptBytes
from node.keeping.line import Line
from node.keeping.patience import Came, Patience
from node.keeping.plan import Choice, Kept, Plan, Wanted, to_go
from node.keeping.planned import Looked, kept_of, keys_of, looked
from node.keeping.room import FullDisk, gives_way
from node.keeping.runs import Runs
from node.keeping.waiting import DISK
from node.ports import Network, Progress
from p2p.protocol.errors import NotStored, SyncError
from p2p.protocol.pieces import Urgency
from p2p.transport.fetching import LargerThanWanted
from storage.appended import AppendedEvent
from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Places, of which one party has half at most; of the 64 of a node: the others are for who asks."""
LOOK_S: Final = 1.0
"""Between two looks; and twenty times what the last one took, for whoever holds very much."""
LOOK_SHARE: Final = 20
LOOK_AGAIN_S: Final = 10.0
"""Where only something may be tried once more: of thousands there is always one."""
LOOK_ANYWAY_S: Final = 300.0
"""Without news."""
TRY_S: Final = 600.0
"""Of one blob; what takes longer goes on where it stopped, when its turn comes again."""
IDLE_S: Final = 0.05
"""A place that finds nothing looks again after so long at the earliest."""
FAILED_S: Final = 0.2
"""A place rests so long after a try in vain: at most forty a second in all."""
ROOM_PARTS: Final = 64
"""At least this part of the budget is let go at once: it costs a look at all that is held."""


@dataclass
class Keeping:
    """`only`: the namespaces that are looked into, where not all that are joined are."""

    store: Store
    network: Network
    budget: int
    only: Collection[NamespaceKey] | None = None
    clock_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    plan: Plan = field(default_factory=lambda: Plan(0, Choice()))
    running: dict[BlobId, Wanted] = field(default_factory=dict[BlobId, Wanted])
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self._line = Line((), self.patience)
        self._chosen: frozenset[AuthorKey] = frozenset()
        self._owned: frozenset[NamespaceKey] = frozenset()
        self._gate = Gate()
        self._came: set[BlobId] = set()
        self._gone: set[BlobId] = set()
        """Of the plan, what is done."""
        self._busy = Counter[bytes]()
        """Places, by party."""
        self._with_room: dict[BlobId, Wanted] = {}
        """Of what is `running`; for the others it is asked first whether somebody has them."""
        self._full = FullDisk()
        self._bytes, self._runs = KeptBytes(), Runs(self.store)
        self._news, self._turn = asyncio.Event(), asyncio.Event()
        self._looking, self._room = asyncio.Lock(), asyncio.Lock()
        self.store.on_lack_of_room(self.give_way)

    # --- what happens ---------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may have changed: look soon."""
        self._news.set()

    def came(
        self, session: Hashable, is_private: Callable[[], bool], device: Hashable = None
    ) -> None:
        """A peer is here: it may have what nobody had. `is_private`: whether it shares a namespace
        that is not everybody's."""
        now_s = self.clock_s()
        self._gate.came(session, device, is_private, now_s=now_s)
        self.patience.hope(now_s=now_s)
        self.wake()

    def synced(self, session: Hashable) -> None:
        """Everything was compared with it."""
        if self._gate.synced(session):
            self.wake()

    def went(self, session: Hashable) -> None:
        """It is not here any more."""
        self._gate.went(session)
        self.wake()

    def _note(self, event: AppendedEvent) -> None:
        authors = {document.subspace for document in event.documents}
        if event.namespace in self._owned or not authors.isdisjoint(self._chosen):
            self.wake()

    # --- looking --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        unsubscribe = [
            self.store.subscribe(self._note),
            self.store.on_wallet_change(self.wake),
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_looking(), name="keeping: look")
                for number in range(AT_ONCE if self.budget else 0):
                    tasks.create_task(self._keep_fetching(), name=f"keeping: {number}")
        finally:
            for end in unsubscribe:
                end()

    async def _keep_looking(self) -> None:
        while True:
            self._news.clear()
            began_s = self.clock_s()
            try:
                await self.look()
            except StorageError as error:
                log.warning("what is to be kept cannot be looked at: %s", error)
            except Exception:  # a bug of ours costs what is kept, not the node
                log.exception("keeping")
            took_s = self.clock_s() - began_s
            await self.sleep(max(LOOK_S, LOOK_SHARE * took_s))
            await self._wait_for_news(self.clock_s())

    async def _wait_for_news(self, looked_s: float) -> None:
        """Or until something may be tried again, also what failed since."""
        while not self._news.is_set():
            due_s = self.patience.next_s(now_s=looked_s) or LOOK_ANYWAY_S
            due_s = looked_s + min(max(due_s, LOOK_AGAIN_S), LOOK_ANYWAY_S) - self.clock_s()
            if due_s <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(due_s, LOOK_AGAIN_S)):
                    await self._news.wait()

    async def look(self) -> Plan:
        """What is to be kept now; what is over the budget goes at once, the rest when its room is
        needed. What nobody who counts names any more, the next `gc` takes."""
        async with self._looking:
            self._bytes.look()
            found, done = await self._look_at_all()
            await self.store.note_unnamed(found.plan.unnamed)
            went = await self._keep_to_budget(found.plan)
            self._bytes.found((one.id, one.size) for one in found.kept)
            self.plan, self._line = found.plan, found.line
            self._line.leave_out({*(self._came - done), *self.running})  # as if it had given them
            self._came, self._gone = set(), set()
            self._tell_workers()
            if went:  # last: it may take long, and nobody goes on by the plan before meanwhile
                await give_back(self.store, went, is_short=found.plan.budget < self.budget)
            return found.plan

    async def unnamed(self) -> frozenset[BlobId]:
        """Of what is kept, what `look` would find named by nobody who counts; nothing is noted."""
        async with self._looking:
            return (await self._look_at_all())[0].plan.unnamed

    async def _look_at_all(self) -> tuple[Looked, set[BlobId]]:
        """And what had come by itself when it began."""
        store, places = self.store, await self._places()
        self._chosen = keys_of(await store.followed_authors())
        self._owned = frozenset(one for one in places if not is_communal(one))
        done, came, had = {*self._came}, self._runs.lengths, self._line.had
        budgets, whose = (self.budget, self.plan.budget), (self._chosen, self._owned)
        return await looked(store, places, whose, budgets, self.patience, came, had), done

    async def _places(self) -> Collection[NamespaceKey]:
        joined = {one.namespace for one in await self.store.joined()} | {COMMONS}
        return joined if self.only is None else joined & {*self.only}

    async def _keep_to_budget(self, plan: Plan) -> Sequence[Kept]:
        """What went."""
        async with self._room:  # whoever begins one meanwhile waits, and sees what went
            over = (await self.store.kept_sum()).bytes - plan.budget
            going = to_go(plan.leaving, over, self.running)
            return going if await self._let_go(going) else ()

    async def give_way(self, size: int, in_rows: bool) -> int:
        """The disk has so many bytes too few for what a person waits for: what is kept goes, if
        that gives as many back; of rows too where `in_rows`. Gives how many blobs went."""
        async with self._room:
            kept = [kept_of(one) for one in await self.store.kept_blobs()]
            may_go = [one for one in gives_way(self.plan, kept) if one.blob not in self.running]
            order = [one.blob for one in may_go]
            chosen = {*await self.store.to_give_back(order, size, in_rows=in_rows)}
            gone = await self._let_go([one for one in may_go if one.blob in chosen])
        self.wake()
        return gone

    async def _let_go(self, going: Sequence[Kept]) -> int:
        """Whoever needs their room gives it back."""
        if not going:
            return 0
        blobs = [one.blob for one in going]
        self._gone.update(blobs)
        gone = await self.store.drop_kept(blobs)
        self._bytes.went(blobs)
        log.info("let go %d blobs that were kept, %d bytes", gone, sum(one.size for one in going))
        return gone

    # --- fetching -------------------------------------------------------------------------------

    def _tell_workers(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def _keep_fetching(self) -> None:
        while True:
            turn, one = self._turn, self._take()
            if one is None:
                await self._end_runs()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._wait_s()):
                        await turn.wait()
                continue
            self._busy[one.party] += 1
            try:
                is_done = await self.fetch(one)
                await self._end_runs()
                if not is_done:
                    await self.sleep(FAILED_S)
            finally:
                self._busy -= Counter([one.party])

    async def _end_runs(self) -> None:
        """Of what came, what nothing is to come of for now is made small, why ever nothing is."""
        now_s, running, more = self.clock_s(), [*self.running.values()], self._line.has_more_of
        # The gate holds up for half a minute: what it stops for so long is not over.
        may_ask = self.has_peers and now_s >= self._full.all_rest_until_s
        await self._runs.end(running, more, may_ask=may_ask, now_s=now_s)

    def _take(self) -> Wanted | None:
        now_s = self.clock_s()
        if not self._may_ask(now_s):
            return None
        return self._line.take(now_s=now_s, busy=self._busy, running=self.running)

    def _may_ask(self, now_s: float) -> bool:
        return now_s >= self._full.all_rest_until_s and self._gate.is_open(now_s=now_s)

    def _wait_s(self) -> float:
        now_s = self.clock_s()
        ends = [self._full.all_rest_until_s - now_s, self._gate.wait_s(now_s=now_s) or 0.0]
        waits = [wait for wait in ends if wait > 0]
        if (
            self._may_ask(now_s)
            and (rest_s := self._line.wait_s(now_s=now_s, busy=self._busy)) is not None
        ):
            waits.append(rest_s)
        return max(IDLE_S, min(waits, default=LOOK_ANYWAY_S))

    async def fetch(self, one: Wanted) -> bool:
        """One blob of the plan; False where it came to nothing."""
        if one.blob in self.running:
            return True
        if self._full.keeps_out(one.size, now_s=self.clock_s()):
            self.patience.put_off(one.blob, DISK, now_s=self.clock_s())
            await asyncio.sleep(0)  # thousands may be too large for it
            return True
        self.running[one.blob] = one  # no other place takes it, and it does not make its own room
        try:
            if not await self._has_room(one):
                return True
            return await self._fetch(one)
        except StorageError as error:
            self._came_to_nothing(one, error)
        except Exception as error:  # a bug of ours costs this blob, not the node
            log.exception("a blob cannot be kept")
            self._came_to_nothing(one, error)
        finally:
            del self.running[one.blob]
            self._with_room.pop(one.blob, None)
            if one.universe:
                self._tell_workers()  # the next one of it may be anybody's
        return False

    async def _has_room(self, one: Wanted) -> bool:
        """Makes room, if need be and if somebody has it."""
        is_begun = await self.store.blob_state(one.blob) is not None
        is_chosen = one.blob in self.plan.chosen.blobs
        lacks = self._lacks(one)
        if lacks > 0 and not is_chosen:
            # Of what is as large, none has room: of tens of thousands, each would cost such a look.
            free = one.size - lacks
            self._line.leave_out(each.blob for each in self.plan.beside if each.size > free)
            return False
        if lacks > 0 and not is_begun and not await self._is_given(one):
            return False
        gone: Sequence[Kept] = ()
        async with self._room:
            lacks = self._lacks(one)
            if lacks > 0 and is_chosen:
                least = max(lacks, self.budget // ROOM_PARTS)
                going = to_go(self.plan.leaving, least, self.running.keys() | self._gone)
                if sum(kept.size for kept in going) >= lacks and await self._let_go(going):
                    gone, lacks = going, self._lacks(one)
            if lacks <= 0:
                self._with_room[one.blob] = one
                self._bytes.came(one.blob, one.size)
        if gone:
            await give_back(self.store, gone, is_short=self.plan.budget < self.budget)
        if lacks > 0:
            self.wake()  # what was planned does not hold any more
        return lacks <= 0

    def _lacks(self, one: Wanted) -> int:
        """How many bytes of the budget are too few for it; 0 or less: it fits."""
        begun = {**self._with_room, one.blob: one}
        size = self._bytes.without(begun.keys()) + sum(each.size for each in begun.values())
        return size - self.plan.budget

    async def _is_given(self, one: Wanted) -> bool:
        """Whether somebody has its root: nothing is let go for what nobody has."""
        try:
            async with asyncio.timeout(TRY_S):
                await self._ask(one, 0, Came(), ())
        except LargerThanWanted:
            return True
        except (SyncError, TimeoutError) as error:
            self._came_to_nothing(one, error)
            return False
        return True  # somebody else asked for it meanwhile, or it has no bytes

    async def _fetch(self, one: Wanted) -> bool:
        came, near = Came(), await self._runs.near_to(one)
        try:
            async with asyncio.timeout(TRY_S):
                await self._ask(one, one.size, came, near)
        except (SyncError, TimeoutError) as error:
            self._came_to_nothing(one, error, is_coming=came.is_more)
            if isinstance(error, NotStored):
                await self.store.drop_empty(one.blob)
            if await self.store.blob_state(one.blob) is None:
                self._bytes.went([one.blob])
            return False
        self.patience.succeed(one.blob, one.whose)
        self._came.add(one.blob)
        self._runs.came(one, now_s=self.clock_s())
        return True

    async def _ask(
        self, one: Wanted, size_bytes_max: int, progress: Progress, near: Sequence[BlobId]
    ) -> None:
        with self.store.keeping(one.blob, one.author):
            await self.network.fetch_blob(
                one.blob,
                progress,
                size_bytes_max=size_bytes_max,
                urgency=Urgency.KEPT,
                relative_to=near,
            )

    def _came_to_nothing(self, one: Wanted, error: Exception, *, is_coming: bool = False) -> None:
        log.debug("blob %s is not kept: %s", one.blob.hex(), error)
        now_s = self.clock_s()
        rests = self.patience, self._full, self._runs
        note_failure(one, error, *rests, is_coming=is_coming, now_s=now_s)

    # --- what is told ---------------------------------------------------------------------------

    @property
    def under_way(self) -> Collection[BlobId]:
        """Of the plan, what came, and what is being fetched."""
        return self._came | self.running.keys()

    @property
    def has_peers(self) -> bool:
        """Whether anybody is here who may have something."""
        return self._gate.is_anybody_here
