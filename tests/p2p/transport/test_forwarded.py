"""For whom a proxy called: as far back as proxies of ours wrote it down, and no further."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.transport.forwarded import HOPS_MAX, client_of, ip_of

NEAR, FAR, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"
PROXIES = frozenset(map(ip_address, (NEAR, FAR)))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (NEAR, [CLIENT], CLIENT),
        (NEAR, ["192.0.2.66, 203.0.113.7"], CLIENT),  # the first of them is the client's own word
        (NEAR, ["192.0.2.66", "203.0.113.7"], CLIENT),
        (NEAR, [f"192.0.2.66, {CLIENT}, {FAR}"], CLIENT),
        (f"::ffff:{NEAR}", [CLIENT], CLIENT),
        (NEAR, [f"{CLIENT}:5123"], CLIENT),
        (NEAR, ["[2001:db8::1]:5123"], "2001:db8::1"),
        (NEAR, ["unknown"], NEAR),
        (NEAR, [f"{CLIENT}, _hidden"], NEAR),
        (NEAR, [], NEAR),
        (NEAR, [FAR], FAR),
        (CLIENT, ["192.0.2.66"], CLIENT),  # no proxy of ours
    ],
)
def test_the_client_is_the_last_that_a_proxy_of_ours_names(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_a_long_list_is_read_from_its_end_and_not_for_ever() -> None:
    assert client_of(NEAR, [",".join([CLIENT] + [FAR] * HOPS_MAX)], PROXIES) == FAR


@given(st.lists(st.text(), max_size=4))
def test_whatever_stands_there_an_address_comes_out(forwarded: list[str]) -> None:
    assert ip_of(client_of(NEAR, forwarded, PROXIES)) is not None
