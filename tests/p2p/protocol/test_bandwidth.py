"""Bandwidth that is limited: kept on the average, by time that a test owns."""

import pytest

from p2p.protocol.bandwidth import BURST_S, DEBT_S, Bandwidth, Rates


def send_all(bandwidth: Bandwidth, peers: list[str], size: int, until_s: float) -> dict[str, int]:
    """Each sends as often as it may, in steps of 10 ms."""
    sent = dict.fromkeys(peers, 0)
    for step in range(round(until_s * 100)):
        for peer in peers:
            now_s = step / 100
            if bandwidth.wait_s(peer, now_s=now_s) == 0.0:
                bandwidth.spend(peer, size, now_s=now_s)
                sent[peer] += size
    return sent


def test_no_limit_is_no_wait() -> None:
    bandwidth = Bandwidth(Rates(), now_s=0.0)
    bandwidth.spend("bob", 1 << 40, now_s=0.0)
    assert bandwidth.wait_s("bob", now_s=0.0) == 0.0


@pytest.mark.parametrize("size", [1_000, 50_000, 524_288])
def test_a_limit_for_all_is_kept_and_shared(size: int) -> None:
    sent = send_all(Bandwidth(Rates(all=100_000), now_s=0.0), ["bob", "carol"], size, 60.0)
    assert 5_900_000 <= sum(sent.values()) <= 6_000_000 + 100_000 * BURST_S + 2 * size


def test_a_limit_of_each_is_each_ones() -> None:
    sent = send_all(Bandwidth(Rates(peer=100_000), now_s=0.0), ["bob", "carol"], 10_000, 60.0)
    assert all(5_900_000 <= one <= 6_050_000 for one in sent.values())


def test_the_lower_limit_counts() -> None:
    sent = send_all(Bandwidth(Rates(all=150_000, peer=100_000), now_s=0.0), ["bob"], 9_000, 10.0)
    assert 990_000 <= sent["bob"] <= 1_050_000


def test_entries_leave_a_debt_that_is_soon_paid() -> None:
    bandwidth = Bandwidth(Rates(all=1_000), now_s=0.0)
    for _ in range(100):
        bandwidth.spend("bob", 1_000, now_s=0.0)
    assert bandwidth.wait_s("carol", now_s=0.0) == pytest.approx(DEBT_S)
    assert bandwidth.wait_s("carol", now_s=DEBT_S) == 0.0


def test_what_was_not_used_is_given_back() -> None:
    bandwidth = Bandwidth(Rates(all=1_000), now_s=0.0)
    bandwidth.spend("bob", 5_000, now_s=0.0)
    bandwidth.give_back("bob", 5_000, now_s=0.0)
    assert bandwidth.wait_s("bob", now_s=0.0) == 0.0


def test_who_is_gone_leaves_nothing_behind() -> None:
    bandwidth = Bandwidth(Rates(peer=1_000), now_s=0.0)
    bandwidth.spend("bob", 5_000, now_s=0.0)
    bandwidth.forget("bob")
    assert bandwidth.wait_s("bob", now_s=0.0) == 0.0
