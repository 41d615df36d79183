"""Whose turn it is to be fetched: of each author the next one, in turns, the small ones first.

Of one author, what was tried in vain less often comes first, and of these the newest: so however
many nobody has, and whoever else comes, the older ones have their turn.

An author whose tries were in vain rests (`node.keeping.patience`), and the others go on. A party
that has as many places as one may have waits for one of its own: what stands still keeps out no
other.

Of one universe one state at a time, so whoever comes behind it comes as what differs from it: the
first stands with its author, the others wait behind it until it is done. So many as are made small
together (`node.keeping.runs`) come one after the other, before what else was tried as often.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, TypeAlias

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from node.keeping.patience import Patience
from node.keeping.plan import Wanted

OF_PARTY_MAX: Final = 4
"""Places at once, of all there are."""
RUN_MAX: Final = 32
"""States of a universe that come one after the other: so many lie there whole for a while, and of
so many about one stays so."""

_Turn: TypeAlias = tuple[int, int, AuthorKey]
"""How many of the author's had their turn, how large the next one is, and who it is."""
_Place: TypeAlias = tuple[int, int, int, Wanted]
"""Of one of an author's: tries in vain, 0 where its universe goes on and 1 else, and its turn."""


@dataclass(slots=True)
class _Authors:
    """Those of one party."""

    came: Counter[int]
    """By universe, how many of it had their turn; of all parties."""
    had: Counter[bytes]
    """By `whose`, how many of an author there had their turn; of all parties."""
    of: dict[AuthorKey, list[_Place]] = field(default_factory=dict[AuthorKey, list[_Place]])
    """What stands, as heaps: of each universe one at most."""
    turns: list[_Turn] = field(default_factory=list[_Turn])
    resting: list[tuple[float, AuthorKey]] = field(default_factory=list[tuple[float, AuthorKey]])
    lined: set[AuthorKey] = field(default_factory=set[AuthorKey])
    """Who has a turn, or rests."""
    begun: set[int] = field(default_factory=set[int])
    """Universes of which a state stands, or stood."""
    behind: defaultdict[int, deque[_Place]] = field(default_factory=lambda: defaultdict(deque))
    """By universe, states that wait for another one of it; most have none."""
    held_up: set[int] = field(default_factory=set[int])
    """Universes that have such, and of which none stands."""

    def add(self, place: _Place) -> None:
        """In turn, before anything was taken."""
        one = place[3]
        if one.universe in self.begun:
            self.behind[one.universe].append(place)
            return
        if one.universe:
            self.begun.add(one.universe)
        self._stand(place)

    def _stand(self, place: _Place) -> None:
        tries, _, turn, one = place
        is_next = one.universe and self.came[one.universe] % RUN_MAX
        heappush(self.of.setdefault(one.author, []), (tries, 0 if is_next else 1, turn, one))

    def line_up(self, author: AuthorKey) -> None:
        """Where something of the author stands, and was not lined up yet."""
        if author not in self.lined and (theirs := self.of[author]):
            self.lined.add(author)
            first = theirs[0][3]
            heappush(self.turns, (self.had[first.whose], first.size, author))

    def first(
        self,
        is_due: Callable[[BlobId], bool],
        worlds: Collection[int],
        patience: Patience,
        now_s: float,
    ) -> _Turn | None:
        """Who has the next turn, and may have it now. `worlds`: universes that are waited for."""
        while self.resting and self.resting[0][0] <= now_s:
            _, author = heappop(self.resting)
            self.lined.discard(author)
            self.line_up(author)
        for universe in [one for one in self.held_up if one not in worlds]:
            self.held_up.discard(universe)
            self._go_on(universe, is_due)
        while self.turns:
            author = self.turns[0][2]
            self._pass_over(author, is_due, worlds)
            if self.turns[0][2] != author:
                continue  # what came from behind is another's, who had fewer turns
            theirs = self.of[author]
            until_s = patience.rests_until_s(theirs[0][3].whose) if theirs else 0.0
            if theirs and until_s <= now_s:
                return self.turns[0]
            heappop(self.turns)
            if theirs:
                heappush(self.resting, (until_s, author))
            else:
                self.lined.discard(author)
        return None

    def _go_on(self, universe: int, is_due: Callable[[BlobId], bool]) -> None:
        """The next one of it stands with its author."""
        waiting = self.behind.get(universe)
        while waiting and not is_due(waiting[0][3].blob):
            waiting.popleft()
        if waiting:
            place = waiting.popleft()
            self._stand(place)
            self.line_up(place[3].author)

    def _pass_over(
        self, author: AuthorKey, is_due: Callable[[BlobId], bool], worlds: Collection[int]
    ) -> None:
        """Of an author what may not come now, before the first that may."""
        theirs = self.of[author]
        while theirs:
            one = theirs[0][3]
            if not is_due(one.blob):
                heappop(theirs)
                if one.universe:
                    self._go_on(one.universe, is_due)
            elif one.universe in worlds:
                self.behind[one.universe].appendleft(heappop(theirs))
                self.held_up.add(one.universe)
            else:
                return

    def take(self) -> Wanted:
        """Of whoever is the first."""
        _, _, author = heappop(self.turns)
        one = heappop(self.of[author])[3]
        self.had[one.whose] += 1
        self.lined.discard(author)
        self.line_up(author)
        if one.universe:
            self.came[one.universe] += 1
            self.held_up.add(one.universe)
        return one


def _in_order(present: Collection[bytes], had: Mapping[bytes, int]) -> Counter[bytes]:
    """The turns that they had, with no gaps: who had fewer has fewer still, so news each second
    begin nothing anew, and who could not come for a day is before the others once, not a day long.
    Who is new is as who had the fewest."""
    counts = sorted({had[whose] for whose in present if whose in had})
    order = {count: place for place, count in enumerate(counts)}
    return Counter({whose: order[had[whose]] if whose in had else 0 for whose in present})


class Line:
    """Each blob of a plan comes once, whoever names it; a new plan makes a new line.

    `turns`: as of a plan, each once for each author in whose share it lies. `came`: by universe,
    how many lie there that are made small with the next ones. `had`: as a line before it left it.
    It looks at all of them: for a thread.
    """

    def __init__(
        self,
        turns: Iterable[Wanted],
        patience: Patience,
        came: Mapping[int, int] = MappingProxyType({}),
        had: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        turns = [*turns]
        self._patience = patience
        self._taken: set[BlobId] = set()
        self._parties: dict[bytes, _Authors] = {}
        self._left = Counter[int]()
        """Blobs that may come yet, by universe."""
        self._worlds: dict[BlobId, tuple[int, ...]] = {}
        """Of these, each one's."""
        shared = Counter(came), _in_order({one.whose for one in turns}, had)
        self._had = shared[1]
        tried = [(patience.tries(one.blob), 1, turn, one) for turn, one in enumerate(turns)]
        for place in sorted(tried, key=lambda place: place[0]):
            one = place[3]
            self._parties.setdefault(one.party, _Authors(*shared)).add(place)
            worlds = self._worlds.get(one.blob, ())
            if one.universe and one.universe not in worlds:
                self._worlds[one.blob] = (*worlds, one.universe)
                self._left[one.universe] += 1
        for authors in self._parties.values():
            for author in authors.of:
                authors.line_up(author)

    @property
    def had(self) -> Mapping[bytes, int]:
        """By `whose`, how many turns each author had there, as far as it is carried over; a copy,
        for a thread."""
        return dict(self._had)

    def take(
        self,
        *,
        now_s: float,
        busy: Mapping[bytes, int],
        running: Mapping[BlobId, Wanted] = MappingProxyType({}),
    ) -> Wanted | None:
        """The next one that may be tried now. `busy`: how many places each party has. `running`:
        what is tried already, by this line or one before it."""
        worlds = {one.universe for one in running.values()} - {0}

        def is_due(blob: BlobId) -> bool:
            is_free = blob not in self._taken and blob not in running
            if is_free and self._patience.is_due(blob, now_s=now_s):
                return True
            self._leaves(blob)  # what is not is passed over, until the next line
            return False

        found = [
            (turn, authors)
            for party, authors in self._parties.items()
            if busy.get(party, 0) < OF_PARTY_MAX
            and (turn := authors.first(is_due, worlds, self._patience, now_s)) is not None
        ]
        if not found:
            return None
        one = min(found, key=lambda each: each[0])[1].take()
        self.leave_out([one.blob])
        return one

    def has_more_of(self, universe: int) -> bool:
        """Whether any state of this universe is still to come."""
        return self._left[universe] > 0

    def leave_out(self, blobs: Iterable[BlobId]) -> None:
        """These do not come any more."""
        for blob in blobs:
            self._taken.add(blob)
            self._leaves(blob)

    def _leaves(self, blob: BlobId) -> None:
        for universe in self._worlds.pop(blob, ()):
            self._left[universe] -= 1

    def wait_s(self, *, now_s: float, busy: Mapping[bytes, int]) -> float | None:
        """Until somebody who rests may be tried; of a party that has all its places nobody may,
        until one is free."""
        ends = [
            authors.resting[0][0]
            for party, authors in self._parties.items()
            if authors.resting and busy.get(party, 0) < OF_PARTY_MAX
        ]
        return max(0.0, min(ends) - now_s) if ends else None
