from node.retries import FIRST_S, HELD_MAX, LONGEST_S, Retries


def test_it_waits_twice_as_long_each_time_up_to_the_longest() -> None:
    retries: Retries[str] = Retries()
    assert retries.is_due("a", now_s=0)
    assert retries.next_s(now_s=0) == LONGEST_S
    now_s, waits = 5.0, list[float]()
    for _ in range(9):
        retries.put_off("a", now_s=now_s)
        assert not retries.is_due("a", now_s=now_s)
        assert retries.is_due("b", now_s=now_s)
        waits.append(retries.next_s(now_s=now_s))
        now_s += waits[-1]
        assert retries.is_due("a", now_s=now_s)
        assert retries.next_s(now_s=now_s) == LONGEST_S
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S
    retries.done("a")
    retries.put_off("a", now_s=now_s)
    assert retries.next_s(now_s=now_s) == FIRST_S


def test_what_is_due_and_never_asked_for_again_wakes_nobody() -> None:
    retries: Retries[str] = Retries()
    retries.put_off("gone", now_s=0)
    retries.put_off("later", now_s=2 * FIRST_S)
    assert retries.next_s(now_s=FIRST_S) == 2 * FIRST_S
    retries.done("later")
    assert [retries.next_s(now_s=now_s) for now_s in (FIRST_S, 86_400)] == [LONGEST_S] * 2


def test_it_holds_so_many() -> None:
    retries: Retries[int] = Retries()
    for key in range(HELD_MAX + 1):
        retries.put_off(key, now_s=0)
    assert retries.is_due(0, now_s=0)
    assert not retries.is_due(1, now_s=0)
    assert not retries.is_due(HELD_MAX, now_s=0)


def test_what_is_known_to_change_at_a_time_is_due_no_later() -> None:
    retries: Retries[str] = Retries()
    assert retries.first_s(now_s=0) is None
    retries.no_later("a", 50)
    assert retries.first_s(now_s=20) == 30
    retries.put_off("b", now_s=10)
    retries.put_off("b", now_s=20)
    assert retries.due(now_s=20 + FIRST_S) == set()
    retries.no_later("b", 45)
    retries.no_later("b", 25)
    assert retries.first_s(now_s=20) == 5
    assert retries.first_s(now_s=30) == 0
    assert retries.due(now_s=30) == {"b"}
    retries.put_off("b", now_s=30)
    assert retries.first_s(now_s=30) == 20
    assert retries.due(now_s=30 + 4 * FIRST_S) == {"a", "b"}
    retries.done("b")
    retries.done("a")
    assert retries.first_s(now_s=100) is None


def test_who_tries_before_it_is_due_waits_no_longer_for_it() -> None:
    """A gate looks whenever something changes there."""
    retries: Retries[str] = Retries()
    for second in range(9):
        retries.put_off("a", now_s=second)
    assert retries.first_s(now_s=9) == FIRST_S - 9
    retries.put_off("a", now_s=FIRST_S)
    assert retries.first_s(now_s=FIRST_S) == 2 * FIRST_S


def test_what_is_due_soon_is_not_put_off_by_what_is_known_of_later() -> None:
    retries: Retries[str] = Retries()
    retries.put_off("full", now_s=0)
    retries.no_later("full", 3_600)
    assert retries.first_s(now_s=0) == FIRST_S
    retries.no_later("full", FIRST_S / 2)
    assert retries.first_s(now_s=0) == FIRST_S / 2
