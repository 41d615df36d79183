"""Whose turn it is to be fetched: of each author the next one, in turns, the small ones first.

An author whose tries were in vain rests (`node.keeping.patience`), and the others go on.
"""

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from crdt.keys import AuthorKey
from node.keeping.patience import Patience
from node.keeping.plan import Wanted


class Line:
    """Each blob of a plan comes once; a new plan makes a new line."""

    def __init__(self, queue: Iterable[Wanted], patience: Patience) -> None:
        self._patience = patience
        self._of: dict[AuthorKey, deque[Wanted]] = {}
        for one in queue:
            self._of.setdefault(one.author, deque()).append(one)
        self._turns = [(0, theirs[0].size, author) for author, theirs in self._of.items()]
        heapify(self._turns)
        self._resting: list[tuple[float, int, AuthorKey]] = []

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def take(self, *, now_s: float) -> Wanted | None:
        """The next one that may be tried now."""
        while self._resting and self._resting[0][0] <= now_s:
            _, turn, author = heappop(self._resting)
            self._line_up(turn, author)
        while self._turns:
            turn, _, author = heappop(self._turns)
            if (until_s := self._patience.rests_until_s(author)) > now_s:
                heappush(self._resting, (until_s, turn, author))
                continue
            theirs = self._of[author]
            one: Wanted | None = None
            while theirs and one is None:
                first = theirs.popleft()
                one = first if self._patience.is_due(first.blob, now_s=now_s) else None
            self._line_up(turn + 1, author)
            if one is not None:
                return one
        return None

    def wait_s(self, *, now_s: float) -> float | None:
        """Until somebody who rests may be tried."""
        return max(0.0, self._resting[0][0] - now_s) if self._resting else None

    def _line_up(self, turn: int, author: AuthorKey) -> None:
        if theirs := self._of.get(author):
            heappush(self._turns, (turn, theirs[0].size, author))
