"""Messages are as long as the line takes at once, whatever it was before."""

import pytest

from p2p.protocol.limits import DEAD_AFTER_S
from p2p.protocol.message_length import AT_ONCE_S, SHORTEST_BYTES, MessageLength
from p2p.protocol.trickle import SLOWEST_BYTES

LONGEST = 128 << 10


def after(rate: float, *, seconds: float, write: int = 512 << 10) -> MessageLength:
    """A line that took so many bytes a second, with a writer that waits for it."""
    length, written, at_s = MessageLength(LONGEST), 0, 0.0
    while at_s < seconds:
        taken = min(written, int(at_s * rate))
        length.look(written, taken, now_s=at_s)
        written += write
        at_s += write / rate
    return length


def test_the_first_are_short_and_so_are_those_on_the_slowest_line() -> None:
    assert MessageLength(LONGEST).look(0, 0, now_s=9.0) == SHORTEST_BYTES
    assert SHORTEST_BYTES * 60 / SLOWEST_BYTES < DEAD_AFTER_S


@pytest.mark.parametrize(
    ("rate", "length"),
    [(600, SHORTEST_BYTES), (40_000, 10_000), (100_000, 25_000), (1 << 20, LONGEST)],
)
def test_they_are_what_the_line_takes_at_once(rate: int, length: int) -> None:
    seconds = 60.0
    line = after(rate, seconds=seconds, write=16 << 10)
    seen = line.look(10**9, int((line.since_s + seconds) * rate), now_s=line.since_s + seconds)
    assert 0.8 * length <= seen <= 1.2 * length
    assert seen <= max(SHORTEST_BYTES, rate * AT_ONCE_S * 1.2)


def test_a_line_that_takes_everything_is_fast_at_once() -> None:
    line = MessageLength(LONGEST)
    assert line.look(0, 0, now_s=5.0) == SHORTEST_BYTES
    assert line.look(512 << 10, 512 << 10, now_s=5.01) == LONGEST


def test_a_line_that_grows_thin_is_noticed_at_the_next_look() -> None:
    line = after(10e6, seconds=1.0)
    taken = 10_000_000
    assert line.look(taken, taken, now_s=1.0) == LONGEST
    assert line.look(taken + LONGEST, taken + 1_000, now_s=2.0) == SHORTEST_BYTES


def test_after_a_rest_they_are_short_again() -> None:
    """What the line was before says nothing: it is another network perhaps."""
    line = after(10e6, seconds=1.0)
    written = taken = 10_000_000
    assert line.look(written, taken, now_s=1.0) == LONGEST
    assert line.look(written + 100, taken + 100, now_s=31.0) == SHORTEST_BYTES
