"""Whoever names many places keeps out nobody else."""

from node.turns import ANNOUNCED_MAX, HOST_PLACES_MAX, PLACES_MAX, Turns


async def test_a_host_that_announces_many_places_leaves_room_and_a_turn_for_another() -> None:
    turns = Turns()
    forged = [
        turns.add(f"10.0.0.66:{port}", None, is_announced=True) for port in range(1, 2 * PLACES_MAX)
    ]
    assert sum(forged) == HOST_PLACES_MAX
    assert turns.add("10.0.0.7:4747", None, is_announced=True)
    assert not turns.add("10.0.0.7:4747", None, is_announced=True)
    assert [(await turns.next())[0] for _ in range(2)] == ["10.0.0.66:1", "10.0.0.7:4747"]


async def test_however_many_hosts_are_announced_a_place_of_the_link_is_tried_next() -> None:
    turns = Turns()
    forged = [turns.add(f"10.0.1.{host}:1", None, is_announced=True) for host in range(PLACES_MAX)]
    assert sum(forged) == ANNOUNCED_MAX
    assert turns.add("192.0.2.7:4747", None, is_announced=False)
    assert await turns.next() == ("192.0.2.7:4747", None)
