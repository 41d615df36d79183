"""What could not be done for now: tried again after a while, twice as long each time."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

FIRST_S: Final = 10.0
LONGEST_S: Final = 600.0
HELD_MAX: Final = 10_000
"""The first put off is forgotten, and so tried again at once."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Retries(Generic[K]):
    """By the caller's clock, in seconds."""

    _due: dict[K, tuple[float, float]] = field(default_factory=dict[K, tuple[float, float]])
    """When each is due, and how long it was put off for."""

    def put_off(self, key: K, *, now_s: float) -> None:
        """It could not be done. Tried before it was due, it is due when it was."""
        due_s, before_s = self._due.get(key, (0.0, 0.0))
        if before_s and now_s < due_s:
            return
        _, before_s = self._due.pop(key, (0.0, 0.0))
        wait_s = min(2 * before_s or FIRST_S, LONGEST_S)
        self._due[key] = (now_s + wait_s, wait_s)
        if len(self._due) > HELD_MAX:
            del self._due[next(iter(self._due))]

    def no_later(self, key: K, due_s: float) -> None:
        """Put off until something is known to be different; or as long as it is already."""
        before_s, wait_s = self._due.pop(key, (due_s, 0.0))
        self._due[key] = (min(before_s, due_s), wait_s)

    def due(self, *, now_s: float) -> set[K]:
        """Of what was put off all that may be tried again; until it is done, or put off anew."""
        return {key for key, (due_s, _) in self._due.items() if due_s <= now_s}

    def first_s(self, *, now_s: float) -> float | None:
        """Until the first of all that was put off is due; None where nothing is."""
        if not self._due:
            return None
        return max(0.0, min(due_s for due_s, _ in self._due.values()) - now_s)

    def is_due(self, key: K, *, now_s: float) -> bool:
        """Whether it may be tried: so what was never put off."""
        return key not in self._due or self._due[key][0] <= now_s

    def done(self, key: K) -> None:
        self._due.pop(key, None)

    def next_s(self, *, now_s: float) -> float:
        """Until the next of them is due, or there may be news of some.

        What is due already tells nothing: it was tried, or nobody asks for it any more.
        """
        waits = [due - now_s for due, _ in self._due.values() if due > now_s]
        return min([*waits, LONGEST_S])
