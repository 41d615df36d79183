"""Who shares something private is compared with first, and holds up nothing for long."""

from node.keeping.gate import COMPARING_S, EVERY_S, WAITS_MAX, Gate


def private() -> bool:
    return True


def test_nobody_is_asked_while_a_member_is_compared_with() -> None:
    gate = Gate()
    assert not gate.is_open(now_s=0), "nobody is here"
    gate.came("s", "device", private, now_s=0)
    assert not gate.is_open(now_s=0)
    assert gate.wait_s(now_s=10) == COMPARING_S - 10
    assert gate.synced("s")
    assert gate.is_open(now_s=10)
    assert not gate.synced("s")


def test_it_is_for_so_long_at_the_most() -> None:
    gate = Gate()
    gate.came("s", "device", private, now_s=0)
    assert not gate.is_open(now_s=COMPARING_S - 1)
    assert gate.is_open(now_s=COMPARING_S)
    assert gate.wait_s(now_s=COMPARING_S) is None


def test_who_shares_what_is_everybodys_holds_up_nothing_once_that_is_known() -> None:
    known: list[bool] = []
    gate = Gate()
    gate.came("s", "device", lambda: not known, now_s=0)
    assert not gate.is_open(now_s=0), "until both agreed it may be anything"
    known.append(True)
    assert gate.is_open(now_s=1)


def test_a_device_that_comes_again_and_again_holds_it_up_once_an_hour() -> None:
    gate = Gate()
    held_up = 0
    for now_s in range(0, int(EVERY_S), 29):
        gate.came(now_s, "device", private, now_s=now_s)
        held_up += not gate.is_open(now_s=now_s + 28)
        gate.went(now_s)
    assert held_up == 1
    gate.came("later", "device", private, now_s=EVERY_S + 28)
    assert not gate.is_open(now_s=EVERY_S + 28)


def test_many_devices_hold_it_up_for_a_part_of_the_hour_at_most() -> None:
    gate = Gate()
    held_up = 0
    for number in range(100):
        gate.came(number, number, private, now_s=30 * number)
        held_up += not gate.is_open(now_s=30 * number)
        gate.went(number)
    assert held_up == WAITS_MAX


def test_who_holds_up_nothing_takes_nobodys_turn() -> None:
    gate = Gate()
    for number in range(100):
        gate.came(number, number, lambda: False, now_s=0)
        assert gate.is_open(now_s=0)
    gate.came("member", "member", private, now_s=1)
    assert not gate.is_open(now_s=1)
