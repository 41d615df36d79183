"""Whose turn it is to be fetched: of each author the next one, in turns, the small ones first.

Of one author, what was tried in vain less often comes first, and of these the newest: so however
many nobody has, and whoever else comes, the older ones have their turn.

An author whose tries were in vain rests (`node.keeping.patience`), and the others go on. A party
that has as many places as one may have waits for one of its own: what stands still keeps out no
other.

Of one universe one state at a time: whoever comes behind it comes as what differs from it.
"""

from collections import deque
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

_Turn: TypeAlias = tuple[int, int, AuthorKey]
"""How many of the author's had their turn, how large the next one is, and who it is."""


@dataclass(slots=True)
class _Authors:
    """Those of one party."""

    of: dict[AuthorKey, deque[Wanted]] = field(default_factory=dict[AuthorKey, deque[Wanted]])
    turns: list[_Turn] = field(default_factory=list[_Turn])
    resting: list[tuple[float, int, AuthorKey]] = field(
        default_factory=list[tuple[float, int, AuthorKey]]
    )

    behind: dict[int, deque[tuple[int, Wanted]]] = field(
        default_factory=dict[int, deque[tuple[int, Wanted]]]
    )
    """By universe, states that wait for another one of it, each with its author's turn."""
    ahead: set[int] = field(default_factory=set[int])
    """Universes of which one that waited stands with its author again."""

    def line_up(self, turn: int, author: AuthorKey) -> None:
        if theirs := self.of[author]:
            heappush(self.turns, (turn, theirs[0].size, author))

    def first(
        self,
        is_due: Callable[[BlobId], bool],
        worlds: Collection[int],
        patience: Patience,
        now_s: float,
    ) -> _Turn | None:
        """Who has the next turn, and may have it now. `worlds`: universes that are waited for."""
        while self.resting and self.resting[0][0] <= now_s:
            _, turn, author = heappop(self.resting)
            self.line_up(turn, author)
        while True:
            self._go_on(worlds, is_due)
            if (found := self._first(is_due, worlds, patience, now_s)) is not None:
                return found
            if not any(self._may_go_on(universe, worlds) for universe in self.behind):
                return None

    def _may_go_on(self, universe: int, worlds: Collection[int]) -> bool:
        return universe not in worlds and universe not in self.ahead

    def _go_on(self, worlds: Collection[int], is_due: Callable[[BlobId], bool]) -> None:
        """Of universes that nobody waits for any more the next one stands before all others of its
        author."""
        for universe in [one for one in self.behind if self._may_go_on(one, worlds)]:
            waiting = self.behind[universe]
            while waiting and not is_due(waiting[0][1].blob):
                waiting.popleft()
            if waiting:
                turn, one = waiting.popleft()
                theirs = self.of[one.author]
                if not theirs:  # else it has its turn, or rests
                    heappush(self.turns, (turn, one.size, one.author))
                theirs.appendleft(one)
                self.ahead.add(universe)
            if not waiting:
                del self.behind[universe]

    def _next(self, theirs: deque[Wanted]) -> Wanted:
        one = theirs.popleft()
        self.ahead.discard(one.universe)
        return one

    def _first(
        self,
        is_due: Callable[[BlobId], bool],
        worlds: Collection[int],
        patience: Patience,
        now_s: float,
    ) -> _Turn | None:
        while self.turns:
            turn, _, author = self.turns[0]
            theirs = self.of[author]
            while theirs and (not is_due(theirs[0].blob) or theirs[0].universe in worlds):
                if is_due((one := self._next(theirs)).blob):
                    self.behind.setdefault(one.universe, deque()).append((turn, one))
            until_s = patience.rests_until_s(theirs[0].whose) if theirs else 0.0
            if theirs and until_s <= now_s:
                return self.turns[0]
            heappop(self.turns)
            if theirs:
                heappush(self.resting, (until_s, turn, author))
        return None

    def take(self) -> Wanted:
        """Of whoever is the first."""
        turn, _, author = heappop(self.turns)
        one = self._next(self.of[author])
        self.line_up(turn + 1, author)
        return one


class Line:
    """Each blob of a plan comes once, whoever names it; a new plan makes a new line.

    `turns`: as of a plan, each once for each author in whose share it lies.
    """

    def __init__(self, turns: Iterable[Wanted], patience: Patience) -> None:
        self._patience = patience
        self._taken: set[BlobId] = set()
        self._parties: dict[bytes, _Authors] = {}
        for one in sorted(turns, key=lambda one: patience.tries(one.blob)):
            authors = self._parties.setdefault(one.party, _Authors())
            authors.of.setdefault(one.author, deque()).append(one)
        for authors in self._parties.values():
            for author in authors.of:
                authors.line_up(0, author)

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
            return is_free and self._patience.is_due(blob, now_s=now_s)

        found = [
            (turn, authors)
            for party, authors in self._parties.items()
            if busy.get(party, 0) < OF_PARTY_MAX
            and (turn := authors.first(is_due, worlds, self._patience, now_s)) is not None
        ]
        if not found:
            return None
        one = min(found, key=lambda each: each[0])[1].take()
        self._taken.add(one.blob)
        return one

    def has_more_of(self, universe: int) -> bool:
        """Whether any state waits for another one of this universe."""
        return any(
            universe in one.behind or universe in one.ahead for one in self._parties.values()
        )

    def leave_out(self, blobs: Iterable[BlobId]) -> None:
        """These do not come any more."""
        self._taken.update(blobs)

    def wait_s(self, *, now_s: float, busy: Mapping[bytes, int]) -> float | None:
        """Until somebody who rests may be tried; of a party that has all its places nobody may,
        until one is free."""
        ends = [
            authors.resting[0][0]
            for party, authors in self._parties.items()
            if authors.resting and busy.get(party, 0) < OF_PARTY_MAX
        ]
        return max(0.0, min(ends) - now_s) if ends else None
