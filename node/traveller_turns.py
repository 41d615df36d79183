"""Whose bytes are asked for next, of travellers that wait for them.

    blobs that gates wait for ─▸ those of each passage, what was asked for least first
                              ─▸ passages take turns, and none takes all places

A partner's gate names as many blobs as it likes that nobody has. They take the turns of its own
passage, and of no other one.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from crdt.blob import BlobId
from node.services.verdicts import Wanted

FETCHES_MAX: Final = 4
"""Travellers whose bytes are asked for at once."""
EACH_MAX: Final = 3
"""Of these, through one passage: one place is left for who comes by another one."""
TRIED_MAX: Final = 1_024


@dataclass(slots=True)
class Turns:
    """It begins anew with each start of the node."""

    _tried: dict[BlobId, int] = field(default_factory=dict[BlobId, int])
    """How often one was asked for in vain: who was asked for less has the next turn."""
    _turn_of: dict[str, int] = field(default_factory=dict[str, int])
    """Passage → the number of its last turn."""
    _turns: int = 0

    def take(
        self, wanted: Mapping[BlobId, Wanted], fetching: Iterable[Collection[str]]
    ) -> list[BlobId]:
        """What is asked for now. `fetching`: of each under way the passages that it came through.

        What is `wanted` may be under way; then it is not to be among these.
        """
        waiting: dict[str, list[BlobId]] = defaultdict(list)
        first = sorted(wanted, key=lambda one: self._tried.get(one, 0))
        for blob in reversed(first):
            for passage in wanted[blob].passages:
                waiting[passage].append(blob)  # the next one last
        held = [*fetching]
        taken, under_way = list[BlobId](), Counter(one for each in held for one in each)
        while len(held) + len(taken) < FETCHES_MAX:
            ready = [one for one, each in waiting.items() if each and under_way[one] < EACH_MAX]
            if not ready:
                break
            passage = min(ready, key=lambda one: (under_way[one], self._turn_of.get(one, 0), one))
            blob = waiting[passage].pop()
            if blob in taken:
                continue
            taken.append(blob)
            under_way.update(wanted[blob].passages)
            self._turns += 1
            self._turn_of[passage] = self._turns
        return taken

    def came(self, blob: BlobId) -> None:
        self._tried.pop(blob, None)

    def failed(self, blob: BlobId) -> None:
        count = self._tried.pop(blob, 0) + 1
        if len(self._tried) >= TRIED_MAX:
            del self._tried[next(iter(self._tried))]  # what was asked for longest ago
        self._tried[blob] = count
