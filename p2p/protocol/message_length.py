"""How long messages are on a carrier that shows only whole ones: as much as its line takes at once.

The other end, and a relay on the way, see nothing of a message before its end. So a long one on a
thin line looks like silence, and short ones on a fast line cost work.
"""

from dataclasses import dataclass

SHORTEST_BYTES = 4 << 10  # 8 s of the slowest line that is borne, half of a silence that is not
AT_ONCE_S = 0.25
LOOK_S = 0.05  # what is taken in less is what the kernel has room for
INSTANT_S = 0.001


@dataclass(slots=True)
class MessageLength:
    """Look before each writing. Until something was taken, and after a rest, they are short."""

    longest: int
    since_s: float = 0.0
    _mark: int = 0  # what was taken by then
    _bytes_per_s: float = 0.0

    def look(self, written_bytes: int, taken_bytes: int, *, now_s: float) -> int:
        """Of what was written so far, how much the other end has; gives how long the next are."""
        elapsed_s = now_s - self.since_s
        if taken_bytes >= written_bytes or elapsed_s >= LOOK_S:
            self._bytes_per_s = (taken_bytes - self._mark) / max(elapsed_s, INSTANT_S)
            self.since_s, self._mark = now_s, taken_bytes
        return min(self.longest, max(SHORTEST_BYTES, int(self._bytes_per_s * AT_ONCE_S)))
