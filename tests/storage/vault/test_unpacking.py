"""What many lean on is unpacked once, and not held longer than somebody needs it."""

from random import Random

from crdt.delta import encode as against
from storage.vault.unpacking import PLAIN, PlainCache, Row, Unpacking

WIDTH, HEIGHT, BYTES = 40, 24, 2_000


def leaning() -> tuple[dict[int, Row], dict[int, bytes]]:
    """Floors of objects, each on its neighbours below: ten million ways lead down from the top.

    From the top on, from left to right, as the chunks of old states lean on those of newer ones.
    """
    random = Random(1)
    rows: dict[int, Row] = {}
    objects: dict[int, bytes] = {}
    for floor in reversed(range(HEIGHT + 1)):
        for place in range(WIDTH):
            id = floor * WIDTH + place
            bases = (id + WIDTH, id + WIDTH + 1) if place < WIDTH - 1 else (id + WIDTH,)
            objects[id] = random.randbytes(BYTES)
            if floor == HEIGHT:
                rows[id] = Row((), PLAIN + objects[id])
            else:
                base = b"".join(objects[one] for one in bases)
                rows[id] = Row(bases, against(objects[id], base))
    return rows, objects


def test_who_asks_for_a_state_unpacks_each_object_once_and_holds_a_few_of_them() -> None:
    rows, objects = leaning()
    seen: list[int] = []
    most = 0

    def saw(id: int, data: bytes) -> None:
        nonlocal most
        seen.append(id)
        most = max(most, unpacking.held_bytes)

    unpacking = Unpacking(rows, PlainCache(0), saw)
    for place in range(WIDTH):
        assert unpacking.plain(place) == objects[place]

    assert sorted(seen) == sorted(objects)
    assert most <= 3 * HEIGHT * BYTES  # of the WIDTH * HEIGHT that there are
    assert unpacking.held_bytes == 0


def test_who_asks_for_the_next_part_unpacks_little_again() -> None:
    rows, objects = leaning()
    cache = PlainCache(3 * HEIGHT * BYTES)
    seen: list[int] = []
    for places in (range(WIDTH // 2), range(WIDTH // 2, WIDTH)):
        unpacking = Unpacking(rows, cache, lambda one, _: seen.append(one))
        for place in places:
            assert unpacking.plain(place) == objects[place]

    assert len(seen) - len(objects) <= 2 * HEIGHT
    assert cache.held_bytes <= cache.bytes_max
