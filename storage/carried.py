"""What old epochs of a record name while another is shown: only what was not carried over.

    an old epoch says it ─▸ did the next one begin with it?
                              ├─ no ─▸ the old one names it on
                              └─ yes ─▸ does that say it no more? It was let go there.
                                        Is it the one that is shown? It names what it says.
                                        Else: did the one after that begin with it?

So what is let go in a newer epoch goes, and what a device wrote too late for the roll-over stays
for who writes it again. In doubt it is kept: an epoch that is deleted, or cannot be read here,
began with nothing that is known, and says everything.

A record is walked from what is shown back, each epoch once: what an epoch need not name that goes
on in this one is what this one began with, without what it says and would have to name in turn.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from crdt.change import DocumentId
from crdt.held import Validity
from storage.database import Database, Writing
from storage.documents import OPEN_EPOCH, Documents, Materialiser, load_raws, same_record
from storage.epoch_says import (
    Epoch,
    Keys,
    cost_of,
    epoch_of,
    is_cut,
    keys_of,
    mentioned,
    named_by,
    uncontested,
    unrevoked,
)
from storage.errors import Rotted
from storage.listing import Listing
from storage.materialise import Built, Work
from storage.old_epochs import (
    ALONE,
    NOTHING,
    Forgotten,
    Known,
    Round,
    StoppedError,
    Walk,
    as_of,
    blobs_of,
    digest_of,
    forget,
    state_of,
)
from storage.openings import first_openings, is_on_one, may_open, under
from storage.said import said_by
from storage.statements import hashes

# Read in one go: some seconds. While that gave something back, the same again.
OPS_MAX: Final = 2_000_000
GOES_MAX: Final = 16
Forgetting: TypeAlias = Callable[[Writing], Awaitable[bool]]
FORGOTTEN_AT_ONCE: Final = 16  # epochs: a writer reads the list of all of the record for them


class Carried(Documents):
    """For whoever gives room back."""

    def __init__(
        self, database: Database, clock_us: Callable[[], int], materialiser: Materialiser
    ) -> None:
        super().__init__(database, clock_us, materialiser)
        self._carried_over = Known()

    async def forget_carried(self) -> tuple[str, ...]:
        """What old epochs name, and was let go since or is named by what is shown, they name no
        more. Where that takes long, the next one goes on with it. What is damaged of the records
        that were looked at: of these all stays."""

        async def carried_out(walk: Walk, found: Sequence[Forgotten]) -> bool:
            return await self._database.transact(partial(forget, walk.shown, walk.state, found))

        return await self._look(Round(self._carried_over, carried_out))

    async def foresee_carried(self) -> tuple[Sequence[Forgetting], tuple[str, ...]]:
        """What `forget_carried` would do, each to be done in a transaction, and what is damaged.

        As of now: what goes before it in the same transaction may make it more.
        """
        foreseen: list[Forgetting] = []

        async def noted(walk: Walk, found: Sequence[Forgotten]) -> bool:
            foreseen.append(partial(forget, walk.shown, walk.state, found))
            return True

        return foreseen, await self._look(Round(self._carried_over.copy(), noted))

    async def _look(self, round: Round) -> tuple[str, ...]:
        for _ in range(GOES_MAX):
            if not await self._look_at_some(round):
                break
        return tuple(dict.fromkeys(round.rotted))

    async def _look_at_some(self, round: Round) -> bool:
        """Whether it was worth it, and there is more."""
        known, todo = round.known, dict[int, dict[int, DocumentId]]()
        for shown, number, id in await self._database.rows(ALONE):
            todo.setdefault(shown, {})[number] = DocumentId.decode(id)
        known.shrink()
        left, forgotten = OPS_MAX, 0
        for shown in sorted(todo, key=lambda one: (one <= known.last, one)):
            async with self._database.reading() as view:
                state = await state_of(view, shown, [*todo[shown]])
            levels = state.levels if len(state.old) == len(todo[shown]) else []
            walk = Walk(shown, todo[shown], state, levels, round, ops_left=left)
            try:
                await self._follow(walk)
            except StoppedError:
                known.keep(walk)
            except Rotted as error:  # of this record all stays, and the others have their turn
                round.rotted.append(str(error))
            await self._forget_found(walk)
            forgotten, left = forgotten + walk.forgotten, walk.ops_left
            if left <= 0:
                known.last = shown
                return forgotten > 0
        return False

    async def _follow(self, walk: Walk) -> None:
        """Back to the oldest one. Raises `StoppedError`."""
        todo = deque(sorted(walk.old.items(), key=lambda one: -one[1].epoch))
        for at, level in enumerate(walk.levels):
            walk.digests.append(await self._digest_of(walk, at))
            last = at + 1 == len(walk.levels)
            below = 0 if last else walk.levels[at + 1].id.epoch
            while todo and todo[0][1].epoch >= below:
                number, id = todo.popleft()
                reason = (walk.state.old[number][0], level.seq, walk.digests[at])
                if walk.round.known.done.get(number) == reason:
                    continue
                blobs = await self._needless_in(walk, at, number, id)
                walk.found.append(Forgotten(number, blobs, reason))
                if len(walk.found) == FORGOTTEN_AT_ONCE:
                    await self._forget_found(walk)
            if not todo:
                return

    async def _forget_found(self, walk: Walk) -> None:
        found, walk.found = walk.found, []
        if any(one.blobs for one in found) and not await walk.round.forget(walk, found):
            return
        walk.round.known.done |= {one.document: one.reason for one in found}
        walk.forgotten += sum(len(one.blobs) for one in found)

    async def _digest_of(self, walk: Walk, at: int) -> bytes:
        """Of what those need not name that go on in this level."""
        level = walk.levels[at]
        above = walk.digests[at - 1] if at else b""
        before = walk.round.known.levels.get(level.number)
        if before is not None and before[:2] == (level.seq, above):
            return before[2]
        needless = await self._needless(walk, at)
        digest = await self._materialiser.workers.run(digest_of, needless)
        walk.round.known.levels[level.number] = (level.seq, above, digest)
        return digest

    async def _needless(self, walk: Walk, at: int) -> Keys:
        """What those need not name that go on in this level; read again from where it is known."""
        for known in range(min(at, len(walk.digests) - 1), walk.at, -1):
            needless = walk.round.known.sets.get(walk.digests[known])
            if needless is not None:
                walk.at, walk.needless = known, needless
                break
        while walk.at < at:
            level = walk.levels[walk.at + 1]
            epoch = walk.read
            if epoch is None or epoch.work.number != level.number:
                epoch = await self._read_epoch(walk, level.number, level.id, level.seq)
            began = await self._began_with(walk, epoch)
            run = self._materialiser.workers.run
            walk.needless = await run(
                _needless_before, epoch, began, walk.needless if walk.at >= 0 else None
            )
            walk.at += 1
        return walk.needless

    async def _needless_in(
        self, walk: Walk, at: int, number: int, id: DocumentId
    ) -> frozenset[bytes]:
        """Blobs that this old epoch, which goes on in this level, need not name."""
        if walk.digests[at] == NOTHING:
            return frozenset()
        needless = await self._needless(walk, at)
        epoch = await self._read_epoch(walk, number, id, walk.state.old[number][0])
        level = walk.levels[at]
        async with self._database.reading() as view:
            (carried,) = await as_of(view, level.number, level.seq, "carried")
            named = await blobs_of(view, number)
        run = self._materialiser.workers.run
        over = await run(under, epoch.work, epoch.counted, {*hashes(carried)})
        if over is None or epoch.says is None:
            return frozenset()  # the rest of it may say anything
        built = await self._built(walk, epoch.work, over)
        says = [*epoch.says]
        if isinstance(built.projection, Listing):  # what was let go too late, came over
            says.append(built.projection)
        walk.names = await run(named_by, says, walk.names)
        over_it = await run(_without_need, epoch, needless, walk.names, named)
        return over_it | await run(_gone_within, epoch, says, walk.names, named)

    async def _began_with(self, walk: Walk, epoch: Epoch) -> Keys:
        """As far as that is known."""
        run = self._materialiser.workers.run
        opened, listings = list[Validity](), list[Listing]()
        for one in await run(may_open, epoch.work, epoch.counted):
            if is_on_one(one, opened):
                continue
            built = await self._built(walk, epoch.work, one)
            if built.carried is not None:
                opened.append(one)
                listings += [built.projection] if isinstance(built.projection, Listing) else []
        if not await run(first_openings, epoch.work, epoch.counted, opened):
            return frozenset()
        entries = {entry for one in opened for entry in one.valid}
        if not epoch.contested.isdisjoint(epoch.work.held[one].change for one in entries):
            return frozenset()  # it may have begun otherwise, or not at all
        return frozenset[bytes]().union(*map(keys_of, listings))

    async def _built(self, walk: Walk, work: Work, validity: Validity) -> Built:
        walk.ops_left -= cost_of(validity)
        (built,) = await self._materialiser.build_loaded([(work, validity)])
        return built

    async def _read_epoch(self, walk: Walk, number: int, id: DocumentId, seq: int) -> Epoch:
        """Raises `StoppedError`."""
        if walk.ops_left <= 0:
            raise StoppedError
        async with self._database.reading() as view:
            await as_of(view, number, seq)
            works = [*(await self._materialiser.works(view, [id])).values()]
            judged = await self._materialiser.verdicts(view, works)
            await load_raws(view, works)
        ((work, validity),) = judged
        work.saved = work.live = None  # other states of it are made than what was saved
        if is_cut(work, validity):
            judged.append(await self._materialiser.workers.run(unrevoked, work))
        beside = await self._materialiser.workers.run(uncontested, judged)
        built = [(await self._materialiser.build_loaded([one]))[0] for one in (*judged, *beside)]
        count = len(judged)
        epoch = await self._materialiser.workers.run(epoch_of, judged, built[:count], built[count:])
        walk.ops_left -= epoch.cost
        walk.read = epoch
        return epoch


def _needless_before(epoch: Epoch, began: Keys, above: Keys | None) -> Keys:
    """What those need not name that go on in this epoch. `above`: those in which this one does;
    None: it is shown, and names what it says but for what it has no place for in its lists."""
    if above is not None:
        return began - (epoch.says_of(began) - above)
    if epoch.now is None:
        return frozenset()
    beyond = epoch.now.parts.beyond.keys() if epoch.now.parts is not None else set[bytes]()
    if epoch.contested:  # what it let go may be back
        return began - (epoch.says_of(began) - (keys_of(epoch.now) - beyond))
    return began - beyond


def _without_need(
    epoch: Epoch, needless: Keys, names: Mapping[bytes, bytes], named: frozenset[bytes]
) -> frozenset[bytes]:
    """Of what it names."""
    may_return = epoch.mentioned({*names, *names.values()})
    kept = {blob for key, blob in names.items() if key not in needless or key in may_return}
    return named & {*names.values()} - kept - may_return


def _gone_within(
    epoch: Epoch, says: Sequence[Listing], names: Mapping[bytes, bytes], named: frozenset[bytes]
) -> frozenset[bytes]:
    """Of what it names, what it kept and let go before anything came over.

    `says`: what it says, may say, and said then. What looks like a name keeps: to name, nothing is
    verified.
    """
    # Of what has no parts it is not known how it stands.
    if any(one.parts is None for one in says):
        return frozenset()
    rest = named.difference(names.values(), *map(said_by, says))
    return rest - mentioned(epoch.uncounted, rest) if rest else rest


async def name_hidden(
    write: Writing, built: Sequence[Built], shown: Sequence[Built], materialiser: Materialiser
) -> None:
    """Old epochs name all that they say as it comes: what of it came over is found by `gc`.

    `built`: what the documents are; `shown`: the same, without a projection where that is hidden.
    """
    is_shown = {one.work.number for one in shown if one.projection is not None}
    for one in built:
        number, listing = one.work.number, one.projection
        if not isinstance(listing, Listing) or number in is_shown:
            continue
        if await write.row(
            f"SELECT 1 FROM document d WHERE {OPEN_EPOCH} AND d.epoch > ? LIMIT 1",
            (*same_record(one.work.document), one.work.document.epoch),
        ):
            named = await materialiser.workers.run(said_by, listing)
            await write.run_many(
                "INSERT OR IGNORE INTO blob_use (document, blob, namespace)"
                " SELECT number, ?2, namespace FROM document WHERE number = ?1",
                ((number, blob) for blob in named),
            )
