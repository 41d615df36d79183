"""What two peers have in common, whoever of them asks."""

import time
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.area import Area
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Interest, Interests
from p2p.protocol.grants import (
    FULL,
    PUBLIC,
    Claim,
    Grants,
    authority_part,
    decode_area,
    encode_area,
    intersect,
    read_interests,
    reduce,
    with_authority,
    write_interests,
)
from p2p.protocol.greeting import salted_name, salted_names
from p2p.protocol.limits import INTERESTS_MAX
from storage.namespaces import JOINED_MAX
from tests.simulation.people import ALICE, made_up_entry

GARDEN = NamespaceKey(b"g" * 32)
HERS = Area(ALICE.author)
MODULES = Area(None, (b"pub", b"mod"))

components = st.sampled_from([b"pub", b"rate", b"mod"])
areas = st.builds(
    Area,
    st.none() | st.sampled_from([AuthorKey(b"a" * 32), AuthorKey(b"b" * 32)]),
    st.lists(components, max_size=2).map(tuple),
    st.integers(0, 5),
    st.none() | st.integers(6, 9),
)
claims = st.lists(st.tuples(st.sampled_from([COMMONS, GARDEN]), areas), max_size=8)


def test_what_both_want_of_what_may_be_read() -> None:
    wanted: list[Claim] = [(COMMONS, HERS), (GARDEN, FULL)]
    assert intersect(wanted, PUBLIC) == ((COMMONS, HERS),)
    assert intersect([(COMMONS, MODULES)], [(COMMONS, HERS)]) == (
        (COMMONS, Area(ALICE.author, MODULES.path)),
    )


@given(claims, claims)
def test_both_sides_find_the_same_areas_in_the_same_order(
    left: list[Claim], right: list[Claim]
) -> None:
    met = intersect(left, right)
    assert met == intersect(right, left) == reduce(met)
    for namespace, area in met:
        assert Grants(tuple(left)).include(namespace, area)
        assert Grants(tuple(right)).include(namespace, area)


@given(claims)
def test_reducing_loses_nothing(some: list[Claim]) -> None:
    kept = Grants(reduce(some))
    assert all(kept.include(*claim) for claim in some)
    assert reduce(kept.claims) == kept.claims


def test_so_many_areas_and_no_more_and_no_time_lost_over_them() -> None:
    """64 authors of one side, 64 kinds of the other: none of 4,096 areas is inside another."""
    authors = [(GARDEN, Area(AuthorKey(bytes([i]) * 32))) for i in range(INTERESTS_MAX)]
    kinds = [(GARDEN, Area(None, (b"pub", b"kind%d" % i))) for i in range(INTERESTS_MAX)]
    started_s = time.process_time()
    met = intersect(authors, kinds)
    assert len(met) == INTERESTS_MAX
    assert met == intersect(kinds, authors)
    # Compared with one another they took four seconds each time, in which nobody else was heard.
    assert time.process_time() - started_s < 2.0


def test_everything_that_can_be_joined_is_compared() -> None:
    """Two peers that share all of it, with the authority records of each."""
    places = [COMMONS, *(NamespaceKey(bytes([i]) * 32) for i in range(JOINED_MAX))]
    wanted = with_authority((place, Area()) for place in places)
    assert intersect(wanted, wanted) == tuple((place, Area()) for place in sorted(places))
    device = SigningKey.from_seed(bytes(32))
    names = salted_names(places, device, handshake_hash=b"h")
    of_each = {salted_name(one, handshake_hash=b"h", device=device.public) for one in places[1:]}
    assert of_each <= set(names)


def test_an_entry_is_included_by_namespace_and_area() -> None:
    entry = made_up_entry(Random(1), subspace=ALICE.author).entry
    assert Grants(((COMMONS, HERS),)).include_entry(COMMONS, entry)
    assert not Grants(((COMMONS, HERS),)).include_entry(GARDEN, entry)
    assert not Grants(((COMMONS, Area(ALICE.author, (b"rate",))),)).include_entry(COMMONS, entry)
    assert not Grants(()).include_entry(COMMONS, entry)


def test_authority_records_of_an_area() -> None:
    assert authority_part(HERS) == Area(ALICE.author, (b"_auth",))
    assert authority_part(MODULES) is None


@given(areas)
def test_an_area_has_one_encoding(area: Area) -> None:
    assert decode_area(encode_area(area)) == area


@given(st.binary(max_size=60))
def test_what_is_no_area_is_the_peers_fault(garbage: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert encode_area(decode_area(garbage)) == garbage


@pytest.mark.parametrize(
    "data",
    [b"", encode_area(HERS)[:-1], encode_area(HERS) + b"\0", b"\x64\x00\x00\x00", bytes([0x70])],
    ids=["empty", "cut", "left over", "not the shortest", "an open end that counts"],
)
def test_wrong_areas(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        decode_area(data)
    assert refusal.value.code == "area"


@given(claims)
def test_interests_are_read_as_they_were_written(some: list[Claim]) -> None:
    assert read_interests(write_interests(some)) == tuple(some)


def test_one_wrong_area_spoils_all_interests() -> None:
    with pytest.raises(RemoteProtocolError):
        read_interests(Interests((Interest(COMMONS, encode_area(HERS)), Interest(COMMONS, b""))))
