"""How many states are on their way at once: of small ones many, of large ones few."""

from collections.abc import Iterator

import pytest

from node.commands import universe_together
from node.commands.universe_sending import Heard, Sent
from node.commands.universe_together import AT_ONCE_MAX, BYTES_MAX, sent_together
from universe.formats import Content, ImportedSnapshot, Source

MIB = 1 << 20


def states(sizes: list[int], *, are_rows: bool = False) -> list[ImportedSnapshot]:
    return [
        ImportedSnapshot(
            Source(f"{tick}.json", row=tick if are_rows else None),
            Content(size, bytes(32), bytes(32)),
            tick,
            0,
        )
        for tick, size in enumerate(sizes)
    ]


def under_way(snapshots: list[ImportedSnapshot]) -> list[list[int]]:
    """Which were begun and not ended, by their ticks, each time that one had ended.

    The next one is asked for once the one before it is on its way, and waits there for room.
    """
    asked = list[int]()
    found = list[list[int]]()

    def each() -> Iterator[ImportedSnapshot]:
        for one in snapshots:
            asked.append(one.tick)
            yield one
        asked.append(len(snapshots))  # nobody waits for room any more

    def send(one: ImportedSnapshot, _: Heard) -> Sent:
        return Sent({"tick": one.tick})

    sent = sent_together(each(), send, lambda _: None)
    for ended, (one, answer) in enumerate(sent):
        assert answer().answer == {"tick": one.tick}
        found.append(asked[ended:-1])
    assert [ticks[0] for ticks in found] == [one.tick for one in snapshots], "in their order"
    return found


@pytest.mark.parametrize(
    ("size", "at_once"),
    [
        (1, AT_ONCE_MAX),
        (BYTES_MAX // AT_ONCE_MAX, AT_ONCE_MAX),
        (8 * MIB, 4),
        (8 * MIB + 1, 3),
        (BYTES_MAX // 2 + 1, 1),
        (BYTES_MAX, 1),
        (3 * BYTES_MAX, 1),
    ],
)
def test_as_many_are_under_way_as_have_room_together(size: int, at_once: int) -> None:
    """Each of up to 32 MiB may be held whole: 32 of those at once would be 1 GiB."""
    found = under_way(states([size] * 40))
    assert max(map(len, found)) == at_once
    assert all(size * len(ticks) <= max(size, BYTES_MAX) for ticks in found)


def test_a_large_one_waits_for_those_before_it_and_those_behind_it_wait_too() -> None:
    assert under_way(states([MIB, MIB, BYTES_MAX, MIB, MIB])) == [
        [0, 1],
        [1],
        [2],
        [3, 4],
        [4],
    ]


def test_what_comes_out_of_a_database_counts_as_the_child_process_that_reads_it() -> None:
    found = under_way(states([1] * 40, are_rows=True))
    assert max(map(len, found)) == BYTES_MAX // universe_together.ROW_BYTES
