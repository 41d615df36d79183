"""One blob that is wanted: how far it is, who may give what of it, and what is asked of whom.

    LOOKING ──> ROOT ──> LOOKING ──> PAGES ──> LOOKING <──> CHUNKS
                                                  └──> whole

LOOKING asks the store what is held: that is never asked of a peer. What is missing is cut into runs
as peers have room for them, so each goes at its own pace. Chunks are asked for under some pages,
then under the next ones: what is kept here does not grow with the blob.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from operator import itemgetter
from typing import NewType

from crdt.blob import BlobId, BlobRoot, Manifest
from p2p.protocol import limits
from p2p.protocol.effects import BlobProgress
from p2p.protocol.frames import Base
from p2p.protocol.pieces import CHUNK, PAGE, ROOT, Rank, Urgency
from p2p.protocol.relation import Relation

# An honest peer says what it holds, and then gives it; one that only says things is asked less.
DENIALS_MAX = 8

PeerNumber = NewType("PeerNumber", int)

ROOT_BYTES = 4 << 10  # about: it tells its length itself, and most are shorter


class Stage(Enum):
    """What is asked for; while LOOKING, nothing."""

    LOOKING = -1
    ROOT = ROOT
    PAGES = PAGE
    CHUNKS = CHUNK


@dataclass(eq=False, slots=True)
class Run:
    """Pieces that are asked for together."""

    wanted: "Wanted"
    piece: int
    first: int
    count: int
    size_bytes: int
    asked: dict[PeerNumber, float] = field(default_factory=dict[PeerNumber, float])  # who, when
    is_again: bool = False  # whoever has room may be asked too
    is_taken: bool = False  # somebody gave it


@dataclass(slots=True)
class Standing:
    """One peer, as far as one blob goes."""

    may_know: bool | None = None  # None: the store is being asked
    judged_s: float = 0.0
    holds: Sequence[tuple[int, int]] | None = None  # first and count; None: all, for all we know.
    # In order, and apart; of one that says otherwise a part is not asked for.
    is_lacking: bool = False  # it said that it holds nothing, or nothing new for too long: it is
    # asked again now and then while others give, but not hoped for
    polls: int = 0  # times in a row that it held nothing of use
    denials: int = 0  # answers in a row that were no piece
    rests_until_s: float = 0.0
    gave: bool = False
    has_some: bool = False  # of the blob, as far as it said or showed
    # Of the blobs that this one may be like, those that it may read: of others it hears nothing.
    may_know_too: set[BlobId] = field(default_factory=set[BlobId])

    @property
    def is_hopeful(self) -> bool:
        """Whether it may still give something."""
        return self.may_know is not False and not self.is_lacking

    def may_give(self, now_s: float) -> bool:
        is_worth_it = self.polls <= limits.POLLS_MAX
        return bool(self.may_know) and is_worth_it and now_s >= self.rests_until_s

    def give(self) -> None:
        """It gave a piece."""
        self.gave, self.is_lacking, self.polls, self.denials = True, False, 0, 0
        self.has_some = True

    def lack(self, is_some: bool, runs: Sequence[int], *, now_s: float) -> None:
        """It does not hold what it was asked for, but perhaps something else."""
        self.denials += 1
        self.has_some = is_some
        self.holds = sorted(zip(runs[::2], runs[1::2], strict=True))
        if not is_some:
            self.is_lacking = True
        if not is_some or not runs or self.denials > DENIALS_MAX:
            self.rest(now_s=now_s)

    def rest(self, *, now_s: float) -> None:
        """Nothing that it holds is missing here; later it may hold more."""
        self.holds = None
        if now_s < self.rests_until_s:
            return  # several runs were asked for at once
        self.rests_until_s = now_s + limits.POLL_FIRST_S * 2 ** min(self.polls, 4)
        self.polls += 1
        self.is_lacking = self.is_lacking or self.polls > limits.POLLS_MAX


@dataclass(eq=False, slots=True)
class Wanted:
    """One blob, from the first wish to the end."""

    blob: BlobId
    size_bytes_max: int
    urgency: Urgency
    began_s: float = 0.0
    stage: Stage = Stage.LOOKING
    root: BlobRoot | None = None
    has_pages: bool = False  # all of them are in the store
    manifest: Manifest | None = None  # of the pages whose chunks are asked for
    relative_to: tuple[BlobId, ...] = ()  # blobs that it may be like
    base: BlobRoot | None = None  # the one of them that is held
    relation: Relation | None = None  # of what is asked for, to that
    ahead: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # first and count
    again: deque[Run] = field(default_factory=deque[Run])
    # Asked for, and not in the store yet; in that order: a set would go by addresses in memory.
    open: dict[Run, None] = field(default_factory=dict[Run, None])
    standings: dict[PeerNumber, Standing] = field(default_factory=dict[PeerNumber, Standing])
    turn: int = 0  # of all that are wanted, who was served last
    came_s: float = 0.0  # when a piece of it came last
    left_s: float | None = None  # when a peer that had given some of it went last
    left: PeerNumber | None = None  # which; or whose connection was lost last
    is_waiting: bool = False  # for such a one, or for another: nobody is there to be asked
    why_waiting: str = ""
    bytes_held: int = 0
    chunks_held: int = 0
    told_s: float = -1.0  # when progress was told last
    told_bytes: int = 0
    rate: float = 0.0

    @property
    def is_authority(self) -> bool:
        return self.urgency is Urgency.AUTHORITY

    @property
    def rank(self) -> Rank:
        if self.is_authority:
            return Rank.AUTHORITY
        return Rank.KEPT if self.urgency is Urgency.KEPT else self.told_rank

    @property
    def told_rank(self) -> Rank:
        """What a peer is told: not that nobody waits for it, which would tell whom one follows."""
        if self.is_authority:
            return Rank.AUTHORITY
        if self.manifest is None:
            return Rank.METADATA
        return Rank.SMALL if self.manifest.size <= limits.SMALL_BLOB_BYTES else Rank.LARGE

    @property
    def is_stuck(self) -> bool:
        """Nobody is left who could give what is missing."""
        is_asking = self.stage is not Stage.LOOKING and not self.open
        return is_asking and not any(one.is_hopeful for one in self.standings.values())

    def may_wait(self, *, now_s: float) -> bool:
        """Whether somebody who gave some of it left a while ago: such a one may come back."""
        return self.left_s is not None and now_s - self.left_s < limits.NOTHING_CAME_S

    def leave(self, peer: PeerNumber, *, now_s: float) -> None:
        """The session of `peer` ended, and through no fault of its own."""
        standing = self.standings.get(peer)
        if standing is not None and standing.gave:
            self.left_s, self.left = now_s, peer

    def is_alone(self, adrift: AbstractSet[PeerNumber]) -> bool:
        """Nobody can be asked just now, as far as is known: those who may give it are `adrift`."""
        if self.stage is Stage.LOOKING or any(run.is_taken for run in self.open):
            return False
        if any(one.is_hopeful for peer, one in self.standings.items() if peer not in adrift):
            return False
        return all(run.asked.keys() <= adrift for run in self.open)

    def wait(self, adrift: AbstractSet[PeerNumber]) -> None:
        """Until somebody can be asked again."""
        self.is_waiting, self.why_waiting = True, self.why_stuck(adrift)
        for peer, one in self.standings.items():
            if peer in adrift and one.gave:
                self.left = peer

    def why_stuck(self, adrift: AbstractSet[PeerNumber] = frozenset()) -> str:
        """Why nobody gives what is missing, of those who are not `adrift`."""
        there = [one for peer, one in self.standings.items() if peer not in adrift]
        lacking = [one for one in there if one.is_lacking]
        if not there:
            return "no peer is connected"
        if not lacking:
            return "no connected peer may read what names it"
        some = sum(one.has_some for one in lacking)
        none = len(lacking) - some
        whys: list[str] = []
        if some:
            peers = "peers hold" if some > 1 else "peer holds"
            whys.append(f"{some} connected {peers} some of it, but not what is missing here")
        if none:
            whys.append(f"{none} connected {'peers do' if none > 1 else 'peer does'} not hold it")
        return "; ".join(whys)

    def measure(self, *, now_s: float, is_last: bool) -> bool:
        """Whether progress is to be told now; the rate is of what came since that was done."""
        since_s = now_s - self.told_s
        if self.told_s >= 0:
            if since_s < limits.PROGRESS_S and not is_last:
                return False
            if since_s > 0:
                rate = (self.bytes_held - self.told_bytes) / since_s
                self.rate = rate if not self.rate else (self.rate + rate) / 2
        self.told_s, self.told_bytes = now_s, self.bytes_held
        return True

    def progress(self, *, is_limited: bool) -> BlobProgress:
        """How far it is; all 0 until its root is known."""
        chunks, size = (self.root.chunk_count, self.root.size) if self.root else (0, 0)
        return BlobProgress(
            self.blob,
            min(self.chunks_held, chunks),
            chunks,
            min(self.bytes_held, size),
            size,
            sum(one.gave for one in self.standings.values()),
            0.0 if self.is_waiting else max(0.0, self.rate),
            is_limited and not self.is_waiting,
            max(self.came_s, self.began_s),
            self.why_waiting if self.is_waiting else "",
            self.left if self.is_waiting else None,
        )

    def is_withheld(self, *, now_s: float) -> bool:
        """Whether nothing of it came for too long, from whoever is asked."""
        owed = [min(run.asked.values()) for run in self.open if run.asked and not run.is_taken]
        since_s = max(self.came_s, min(owed, default=now_s))
        return now_s - since_s >= limits.NOTHING_CAME_S

    def missing(self, indices: Iterable[int], *, start: int = 0) -> None:
        """What is to be asked for, from `start` on, and then what comes before."""
        every = list(indices)
        turn = bisect_left(every, start)
        self.ahead = [*_ranges(every[turn:]), *_ranges(every[:turn])]

    def take_run(self, peer: PeerNumber, size_max: int, *, now_s: float) -> Run | None:
        """What `peer` is asked for next, noted as asked; at least one piece, or None."""
        standing = self.standings.get(peer)
        if self.stage is Stage.LOOKING or standing is None or not standing.may_give(now_s):
            return None
        run = self._take_again(peer, standing) or self._take_ahead(standing, size_max)
        if run is None:
            if standing.holds is not None and self.ahead:
                standing.rest(now_s=now_s)
            return None
        run.asked[peer] = now_s
        self.open[run] = None
        return run

    def base_for(self, peer: PeerNumber, run: Run) -> Base | None:
        """What `peer` may give this run as a delta against."""
        standing, relation = self.standings.get(peer), self.relation
        if relation is None or standing is None or relation.piece != run.piece:
            return None
        if relation.base not in standing.may_know_too:
            return None
        return relation.base_of(run.first, run.count)

    def forget_base(self) -> None:
        """It is not held any more: what is missing is asked for as it is."""
        self.relative_to, self.base, self.relation = (), None, None

    def give_up(self, peer: PeerNumber, run: Run) -> None:
        """`peer` will not give this run: somebody else may."""
        run.asked.pop(peer, None)
        if run in self.open and not run.is_taken and not run.asked:
            self.open.pop(run, None)
            self.ahead.insert(0, (run.first, run.count))

    def cut(self, run: Run, count: int) -> None:
        """Only the first `count` pieces of it came: the others are to be asked for again."""
        if count < run.count:
            self.ahead.insert(0, (run.first + count, run.count - count))

    def ask_again(self, run: Run) -> None:
        """Whoever has room may be asked for it too."""
        if not run.is_again:
            run.is_again = True
            self.again.append(run)

    def size_of(self, piece: int, first: int, count: int) -> int:
        """Bytes that so many pieces have, about where it is not known."""
        if piece == CHUNK:
            assert self.manifest is not None, "chunks are asked for by their manifest"
            return sum(map(self.manifest.chunk_size, range(first, first + count)))
        if piece == PAGE:
            assert self.root is not None, "pages are asked for by their root"
            return self.root.page_bytes(first)
        return ROOT_BYTES

    def _take_again(self, peer: PeerNumber, standing: Standing) -> Run | None:
        for _ in range(len(self.again)):
            run = self.again.popleft()
            if run.is_taken or run not in self.open:
                continue
            is_held = next(overlaps([(run.first, run.count)], standing.holds), None)
            if peer not in run.asked and is_held == (0, run.first, run.count):
                run.is_again = False
                return run
            self.again.append(run)
        return None

    def _take_ahead(self, standing: Standing, size_max: int) -> Run | None:
        found = next(overlaps(self.ahead, standing.holds), None)
        if found is None:
            return None
        at, first, most = found
        count, size = self._fit(first, most, size_max)
        start, length = self.ahead[at]
        rest = [(start, first - start), (first + count, start + length - first - count)]
        self.ahead[at : at + 1] = [(index, left) for index, left in rest if left]
        return Run(self, self.stage.value, first, count, size)

    def _fit(self, first: int, most: int, size_max: int) -> tuple[int, int]:
        """How many pieces from `first` on have together at most `size_max` bytes; at least one."""
        size = self.size_of(self.stage.value, first, 1)
        if self.stage is not Stage.CHUNKS:
            return 1, size
        assert self.manifest is not None, "chunks are asked for by their manifest"
        count = 1
        while count < min(most, limits.RUN_CHUNKS_MAX):
            more = self.manifest.chunk_size(first + count)
            if size + more > size_max:
                break
            count, size = count + 1, size + more
        return count, size


def _ranges(indices: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    first = count = 0
    for index in indices:
        if count and index == first + count:
            count += 1
            continue
        if count:
            ranges.append((first, count))
        first, count = index, 1
    return [*ranges, (first, count)] if count else ranges


def overlaps(
    ranges: Sequence[tuple[int, int]], holds: Sequence[tuple[int, int]] | None
) -> Iterator[tuple[int, int, int]]:
    """The first of each of `ranges` that lies in `holds`, in order: its place, first and count.

    A blob of which every second chunk is here has thousands of ranges: each is looked for, once.
    """
    for at, (first, count) in enumerate(ranges):
        if holds is None:
            yield at, first, count
            continue
        place = bisect_right(holds, first, key=itemgetter(0))
        for start, length in holds[max(0, place - 1) : place + 1]:
            low, high = max(first, start), min(first + count, start + length)
            if low < high:
                yield at, low, high - low
                break
