"""Who is refused, for how long, and who beside it is not. Nothing here takes time."""

from random import Random

import pytest

from crdt.keys import DeviceKey
from p2p.protocol import offences
from p2p.protocol.limits import REFUSALS_MAX, REVOKED_IDS_PER_S, WAIT_S_MAX
from p2p.protocol.offences import (
    CALL_STRIKES,
    DEVICES_MAX,
    FAULT_STRIKES,
    FORGOTTEN_AFTER_S,
    GOOD_S,
    HALF_LIFE_S,
    HOST_DEBT_MAX,
    HOST_STRIKES_MAX,
    HOST_STRIKES_PER_S,
    HOSTS_MAX,
    LEVEL_MAX,
    REFUSED_FIRST_S,
    REFUSED_LONGEST_S,
    REVOKED_STRIKES,
    Offences,
    host_of,
)
from p2p.protocol.pull import LOCAL_CODES, TOO_MANY_REVOKED

MALLORY, BOB = DeviceKey(b"m" * 32), DeviceKey(b"b" * 32)
HERE, THERE = "127.0.0.1", "192.0.2.7"
NOW_S = 1_700_000_000.0


def device(number: int) -> DeviceKey:
    return DeviceKey(number.to_bytes(32, "big"))


def sin(known: Offences, now_s: float, *, by: DeviceKey = MALLORY, host: str = "") -> float:
    """One broken rule; for how long it is refused then."""
    known.fault(by, host, "flood", "too much", now_s=now_s)
    refused = known.refused(by, now_s=now_s)
    return refused.until_s - now_s if refused else 0.0


def test_one_fault_slows_and_a_second_one_refuses() -> None:
    known = Offences()
    assert sin(known, NOW_S) == 0
    assert known.strikes(MALLORY, now_s=NOW_S) == FAULT_STRIKES
    assert sin(known, NOW_S + 1) == REFUSED_FIRST_S
    (one,) = known.refused_now(now_s=NOW_S + 2)
    assert (one.device, one.code, one.times) == (MALLORY, "flood", 2)
    assert one.codes == pytest.approx({"flood": 2.0}, rel=1e-3)
    assert known.refused(BOB, now_s=NOW_S + 1) is None
    assert known.refused(MALLORY, now_s=NOW_S + 1 + REFUSED_FIRST_S) is None


def test_it_is_refused_twice_as_long_each_time_up_to_a_day() -> None:
    known, now_s = Offences(), NOW_S
    sin(known, now_s)
    waits: list[float] = []
    for _ in range(LEVEL_MAX + 3):
        waits.append(sin(known, now_s))
        now_s += waits[-1]
        for _ in range(2):  # the strikes of long ago have faded
            known.refuse_entries(MALLORY, "", {"bad-signature": REFUSALS_MAX}, now_s=now_s)
    doubling = [min(REFUSED_FIRST_S * 2.0**n, REFUSED_LONGEST_S) for n in range(LEVEL_MAX + 3)]
    assert waits == pytest.approx(doubling)
    assert waits[-1] == WAIT_S_MAX == 86_400


def test_good_behaviour_takes_doublings_back() -> None:
    known = Offences()
    last_s = [sin(known, NOW_S) for _ in range(5)][-1]
    known.behaved(MALLORY, GOOD_S - 1)
    assert sin(known, NOW_S) == 2 * last_s
    known.behaved(MALLORY, 3 * GOOD_S)
    assert sin(known, NOW_S) == last_s / 2
    known.behaved(MALLORY, 1_000 * GOOD_S)
    assert sin(known, NOW_S) == REFUSED_FIRST_S


def test_strikes_fade_so_one_slip_a_day_is_nobodys_end() -> None:
    known = Offences()
    for day in range(30):
        assert sin(known, NOW_S + 86_400 * day) == 0
    last_s = NOW_S + 86_400 * 29
    assert known.strikes(MALLORY, now_s=last_s + HALF_LIFE_S) == FAULT_STRIKES // 2
    assert known.strikes(MALLORY, now_s=last_s + 86_400) == 0


def test_refused_entries_are_counted_over_all_sessions() -> None:
    known = Offences()
    for _ in range(3):
        known.refuse_entries(MALLORY, "", {"bad-signature": 60, "envelope": 4}, now_s=NOW_S)
    assert known.strikes(MALLORY, now_s=NOW_S) == 3 * 64
    known.fault(MALLORY, "", "refused-entries", "too many", now_s=NOW_S)
    (one,) = known.refused_now(now_s=NOW_S)
    assert one.strikes == 3 * 64
    assert one.codes == {"bad-signature": 180, "envelope": 12, "refused-entries": 1}


def test_our_own_reasons_and_other_versions_are_no_offence() -> None:
    known = Offences()
    assert TOO_MANY_REVOKED in LOCAL_CODES
    local = dict.fromkeys(LOCAL_CODES, 10_000) | {TOO_MANY_REVOKED: 0}
    known.refuse_entries(BOB, HERE, local, now_s=NOW_S)
    for code in ("version", "self"):
        for _ in range(20):
            known.fault(BOB, THERE, code, "the peer speaks another version", now_s=NOW_S)
    assert known.strikes(BOB, now_s=NOW_S) == 0
    assert not known.refused_now(now_s=NOW_S)
    assert all(known.admits(HERE, now_s=NOW_S) for _ in range(10_000))
    assert known.admits(THERE, now_s=NOW_S)


def test_fresh_keys_close_their_host_and_no_other() -> None:
    known, keys = Offences(), 0
    while known.admits(HERE, now_s=NOW_S) and keys < 1_000:
        keys += 1
        known.refuse_entries(device(keys), HERE, {"bad-signature": 64}, now_s=NOW_S)
    assert keys <= HOST_STRIKES_MAX // 64
    assert known.is_closed(HERE, now_s=NOW_S)
    assert known.admits(THERE, now_s=NOW_S)
    (closed,) = known.closed_now(now_s=NOW_S)
    assert (closed.host, closed.code) == (HERE, "bad-signature")
    opens_s = CALL_STRIKES / HOST_STRIKES_PER_S
    assert closed.until_s - NOW_S <= opens_s + HOST_DEBT_MAX / HOST_STRIKES_PER_S
    calls = sum(known.admits(HERE, now_s=NOW_S + second) for second in range(100))
    assert calls <= 100 / opens_s


def test_what_a_revoked_key_wrote_closes_a_host_of_many_keys_and_strikes_no_device() -> None:
    known, keys = Offences(), 0
    while known.admits(HERE, now_s=NOW_S) and keys < 1_000:
        keys += 1
        known.refuse_entries(device(keys), HERE, {TOO_MANY_REVOKED: 512}, now_s=NOW_S)
        assert known.strikes(device(keys), now_s=NOW_S) == 0
    assert keys <= HOST_STRIKES_MAX / REVOKED_STRIKES / 512
    assert not known.refused_now(now_s=NOW_S)
    (closed,) = known.closed_now(now_s=NOW_S)
    assert closed.code == TOO_MANY_REVOKED


def test_as_fast_as_a_session_is_slowed_to_no_host_is_closed_for_it() -> None:
    known, now_s = Offences(), NOW_S
    for _ in range(3_600):
        now_s += 1.0
        brought = {TOO_MANY_REVOKED: int(REVOKED_IDS_PER_S)}
        known.refuse_entries(BOB, HERE, brought, now_s=now_s)
    assert not known.is_closed(HERE, now_s=now_s)


def test_what_a_call_brings_while_the_bucket_is_empty_is_paid_for() -> None:
    known, now_s, checked = Offences(), NOW_S, 0
    for _ in range(3_600):
        while known.admits(HERE, now_s=now_s):
            checked += 64
            known.refuse_entries(device(checked), HERE, {"bad-signature": 64}, now_s=now_s)
        now_s += 1.0
    assert checked <= HOST_STRIKES_MAX + 3_600 * HOST_STRIKES_PER_S
    (closed,) = known.closed_now(now_s=now_s - 1.0)
    assert closed.until_s - now_s <= HOST_DEBT_MAX / HOST_STRIKES_PER_S


def test_a_host_is_not_watched_for_honest_calls_and_is_trusted_again() -> None:
    known = Offences()
    assert all(known.admits(HERE, now_s=NOW_S) for _ in range(100_000))
    sin(known, NOW_S, host=HERE)
    calls = sum(known.admits(HERE, now_s=NOW_S) for _ in range(1_000))
    assert calls == (HOST_STRIKES_MAX - FAULT_STRIKES) // CALL_STRIKES
    later_s = NOW_S + HOST_STRIKES_MAX / HOST_STRIKES_PER_S
    assert all(known.admits(HERE, now_s=later_s) for _ in range(100_000))


def test_calls_by_a_refused_device_close_its_host() -> None:
    known, calls = Offences(), 0
    while known.admits(HERE, now_s=NOW_S):
        known.came_unwanted(HERE, "refused-for-now", "it came all the same", now_s=NOW_S)
        calls += 1
    assert calls < 50


def test_a_handshake_that_fails_counts_against_the_host() -> None:
    known = Offences()
    for _ in range(HOST_STRIKES_MAX // FAULT_STRIKES + 1):
        known.fault(None, HERE, "handshake", "nonsense", now_s=NOW_S)
    assert not known.admits(HERE, now_s=NOW_S)
    assert not known.refused_now(now_s=NOW_S)


def test_whom_we_called_is_not_counted_against_its_host() -> None:
    known = Offences()
    for number in range(100):
        sin(known, NOW_S, by=device(number), host="")
    assert known.admits(HERE, now_s=NOW_S)
    assert not known.closed_now(now_s=NOW_S)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("node.test", "node.test"),
    ],
)
def test_a_host_is_an_address_or_a_network_of_ipv6(address: str, host: str) -> None:
    assert host_of(address) == host


def test_what_is_remembered_is_bounded_and_the_least_recent_goes() -> None:
    """DEVICES_MAX, HOSTS_MAX, CODES_MAX."""
    known = Offences()
    for number in range(DEVICES_MAX + 10):
        known.fault(device(number), f"host {number}", "flood", "x" * 9_999, now_s=NOW_S + number)
    now_s = NOW_S + DEVICES_MAX + 10
    assert known.strikes(device(9), now_s=now_s) == 0 < known.strikes(device(10), now_s=now_s)
    changes = known.take_changes(now_s=now_s)
    assert len(changes.kept) == DEVICES_MAX
    assert set(changes.forgotten) == {device(number) for number in range(10)}
    assert max(len(one.sentence) for one in changes.kept) == 512
    for number in range(HOSTS_MAX + 10):
        known.fault(None, f"host {number}", "handshake", "nonsense", now_s=now_s)
    for number in range(100):
        known.refuse_entries(MALLORY, "", {f"code-{number}": 1}, now_s=now_s)
    (one,) = [one for one in known.take_changes(now_s=now_s).kept if one.device == MALLORY]
    assert len(one.codes) == offences.CODES_MAX
    closed = Offences()
    for number in range(HOSTS_MAX + 10):
        for _ in range(10):
            closed.fault(None, f"host {number}", "handshake", "nonsense", now_s=now_s)
    assert len(closed.closed_now(now_s=now_s)) == HOSTS_MAX


def test_what_is_remembered_outlives_a_restart() -> None:
    before = Offences()
    wait_s = [sin(before, NOW_S) for _ in range(4)][-1]
    changes = before.take_changes(now_s=NOW_S)
    assert not before.take_changes(now_s=NOW_S).kept
    after = Offences(changes.kept)
    assert after.refused(MALLORY, now_s=NOW_S + 1) is not None
    assert sin(after, NOW_S + 1) == 2 * wait_s
    assert not after.take_changes(now_s=NOW_S + 1).forgotten
    much_later_s = NOW_S + FORGOTTEN_AFTER_S + 86_400
    assert after.take_changes(now_s=much_later_s).forgotten == [MALLORY]


def test_a_clock_set_back_between_two_runs_refuses_nobody_for_ever() -> None:
    before = Offences()
    for _ in range(4):
        sin(before, NOW_S)
    after = Offences(before.take_changes(now_s=NOW_S).kept)
    assert after.refused(MALLORY, now_s=NOW_S - 10 * 365 * 86_400) is None


def test_forgiving_forgets_a_device_or_opens_a_host() -> None:
    known = Offences()
    while known.admits(HERE, now_s=NOW_S):
        sin(known, NOW_S, host=HERE)
    assert known.forgive(MALLORY)
    assert not known.forgive(MALLORY)
    assert known.refused(MALLORY, now_s=NOW_S) is None
    assert known.strikes(MALLORY, now_s=NOW_S) == 0
    assert list(known.take_changes(now_s=NOW_S).forgotten) == [MALLORY]
    assert known.forgive_host(HERE)
    assert not known.forgive_host(HERE)
    assert known.admits(HERE, now_s=NOW_S)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_is_bounded_and_nobody_is_refused_for_more_than_a_day(seed: int) -> None:
    random, known, now_s = Random(seed), Offences(), NOW_S
    for _ in range(2_000):
        now_s += random.choice((0.0, 0.1, 60.0, 5_000.0))
        one, host = device(random.randrange(5)), random.choice(("", HERE, THERE))
        match random.randrange(5):
            case 0:
                known.fault(
                    one,
                    host,
                    random.choice(("flood", "version", "refused-entries")),
                    "it did",
                    now_s=now_s,
                )
            case 1:
                known.refuse_entries(
                    one, host, {"bad-signature": random.randrange(600)}, now_s=now_s
                )
            case 2:
                known.behaved(one, random.choice((1.0, 700.0, 1e7)))
            case 3:
                known.forgive(one)
            case _:
                known.admits(host, now_s=now_s)
        for refused in known.refused_now(now_s=now_s):
            assert 0 < refused.until_s - now_s <= REFUSED_LONGEST_S
            assert 0 < refused.level <= LEVEL_MAX or refused.times
        for closed in known.closed_now(now_s=now_s):
            assert not known.admits(closed.host, now_s=now_s)
