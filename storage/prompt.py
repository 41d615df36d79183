"""Whether the disk takes what is written without holding its writer up.

A write to the system's cache takes a tenth of a millisecond. Where the disk is busy with what
others wrote, the system may hold a writer up for tenths of a second instead: that is no matter for
an event loop, so after a slow write the next ones are left to a thread for a while.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

SLOW_S: Final = 0.02  # of one write: a hundred times what it takes
REST_FIRST_S: Final = 5.0  # left to a thread for so long, then for twice as long …
REST_MAX_S: Final = 320.0  # … at the most: a disk that is always slow holds up one in 16,000
PROMPT_WRITES: Final = 1_024  # in a row, half a GiB at the most: what was before is forgotten


class Prompt:
    """Of one disk, by the writes that this process made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rest_s = REST_FIRST_S
        self._until_s = float("-inf")
        self._writes = 0

    @property
    def is_likely(self) -> bool:
        """Whether a write may be tried in the turn of an event loop."""
        return self._clock() >= self._until_s

    @contextmanager
    def writing(self) -> Generator[None]:
        """Around one such write."""
        started_s = self._clock()
        try:
            yield
        finally:
            ended_s = self._clock()
            if ended_s - started_s > SLOW_S:
                self._until_s, self._writes = ended_s + self._rest_s, 0
                self._rest_s = min(2 * self._rest_s, REST_MAX_S)
            else:
                self._writes += 1
                if self._writes >= PROMPT_WRITES:
                    self._rest_s = REST_FIRST_S
