import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.area import Area
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    DELEGATIONS_MAX,
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    Delegation,
    authorises_read,
    authorises_write,
    capability_digest,
    check_valid,
    check_write,
    decode_capability,
    delegate,
    encode_capability,
    handover,
    is_valid,
    own,
)
from crdt.digest import payload_digest
from crdt.ed25519 import SigningKey, verify_strict
from crdt.encoding import U64_MAX
from crdt.entry import Entry, encode_entry
from crdt.errors import Malformed, Unauthorised
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.path import DEPTH
from tests.crdt.strategies import (
    ALICE,
    BOB,
    CAROL,
    GARDEN,
    MALLORY,
    MEADOW,
    areas_within,
    flipped,
    paths,
)
from tests.crdt.test_area import area_of

ALICES, BOBS = AuthorKey(ALICE.public), AuthorKey(BOB.public)
MEADOW_KEY, GARDEN_KEY = NamespaceKey(MEADOW.public), NamespaceKey(GARDEN.public)

HERS = Capability(WRITE, MEADOW_KEY, ALICES)
"""Communal: Alice in her own subspace."""
HERS_IN_GARDEN = own(GARDEN, WRITE, ALICES)
"""Owned: the gardener gave her everything."""
FOLDER = Area(ALICES, (b"doc",), 10, 1000)
ENTRY = Entry(MEADOW_KEY, ALICES, (b"doc", b"x"), 500, 0, bytes(32))


def signed(secret: SigningKey, entry: Entry) -> bytes:
    return secret.sign(encode_entry(entry))


def chain(root: Capability, *receivers: SigningKey, area: Area = FOLDER) -> Capability:
    """`root`, which is Alice's, handed on from one to the next."""
    giver = ALICE
    for receiver in receivers:
        root = delegate(root, giver, area, receiver.public)
        giver = receiver
    return root


def forged(parent: Capability, giver: SigningKey, area: Area, user: bytes) -> Capability:
    """What `delegate` refuses to make."""
    new = Delegation(area, user, giver.sign(handover(parent, area, user)))
    return replace(parent, delegations=(*parent.delegations, new))


def test_the_public_delegations_of_willow_go(vectors: Path) -> None:
    text = (vectors / "willow_go" / "meadowcap" / "delegation_chains.json").read_text()
    signatures = 0
    for case in json.loads(text)["cases"]:
        capability = Capability(
            case["access_mode"],
            NamespaceKey(bytes.fromhex(case["namespace_key_hex"])),
            bytes.fromhex(case["genesis_user_key_hex"]),
            delegations=tuple(
                Delegation(
                    area_of(step["new_area"]),
                    bytes.fromhex(step["new_receiver_hex"]),
                    bytes.fromhex(step["signature_hex"]),
                )
                for step in case["delegations"]
            ),
        )
        for grant, new in zip(capability.prefixes(), capability.delegations, strict=False):
            message = handover(grant, new.area, new.user)
            assert verify_strict(grant.receiver, new.signature, message)
            signatures += 1
        # some of these communal chains use namespace keys that Willow'25 calls owned
        assert is_valid(capability) == is_communal(capability.namespace)
        assert decode_capability(encode_capability(capability)) == capability
    assert signatures == 4


def test_the_default_entry_that_the_specification_prints() -> None:
    seed = "5e14ace4d2c8028fc89a8f04765b19d2cd752d91bb373c0c9ed476276b5c4541"
    digest = "96d34c5478458231e364767952aaea02a31d2203c66f4365692ef91f351068d2"
    secret = SigningKey.from_seed(bytes.fromhex(seed))
    namespace, subspace = NamespaceKey(secret.public), AuthorKey(secret.public)
    entry = Entry(namespace, subspace, (), 0, 0, bytes.fromhex(digest))

    assert is_communal(namespace)
    assert namespace[0] & 1  # the first byte's lowest bit would say owned
    assert authorises_write(Capability(WRITE, namespace, subspace), signed(secret, entry), entry)


@pytest.mark.parametrize("mode", [READ, WRITE])
@pytest.mark.parametrize("is_owned", [False, True])
@given(data=st.data())
def test_decoding_undoes_encoding(is_owned: bool, mode: int, data: st.DataObject) -> None:
    root = own(GARDEN, mode, ALICES) if is_owned else Capability(mode, MEADOW_KEY, ALICES)
    capability, giver = root, ALICE
    for receiver in data.draw(st.lists(st.sampled_from([ALICE, BOB, CAROL]), max_size=3)):
        area = data.draw(areas_within(capability.granted_area))
        capability = delegate(capability, giver, area, receiver.public)
        giver = receiver
    encoded = encode_capability(capability)

    assert decode_capability(encoded) == capability
    assert is_valid(capability)
    assert capability.receiver == giver.public
    assert capability_digest(encoded) == payload_digest(encoded)


@pytest.mark.parametrize("mode", [READ, WRITE])
@pytest.mark.parametrize("is_owned", [False, True])
def test_no_flipped_bit_leaves_a_chain_valid(is_owned: bool, mode: int) -> None:
    root = own(GARDEN, mode, ALICES) if is_owned else Capability(mode, MEADOW_KEY, ALICES)
    encoded = encode_capability(chain(root, BOB, CAROL))
    for bit in range(8 * len(encoded)):
        with suppress(Malformed):
            assert not is_valid(decode_capability(flipped(encoded, bit))), bit


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    with suppress(Malformed):
        assert encode_capability(decode_capability(data)) == data


@given(st.binary(max_size=300), st.sampled_from([0, 0x40, 0x80, 0xC0]), st.integers(0, 3))
def test_any_delegations_are_refused_or_canonical(data: bytes, kind: int, count: int) -> None:
    encoded = bytes([kind | count]) + bytes(64) + data
    with suppress(Malformed):
        assert encode_capability(decode_capability(encoded)) == encoded


@pytest.mark.parametrize("root", [HERS, replace(HERS_IN_GARDEN)], ids=["communal", "owned"])
def test_bob_writes_where_alice_let_him_and_nowhere_else(root: Capability) -> None:
    capability = chain(root, CAROL, BOB)
    entry = replace(ENTRY, namespace=root.namespace)
    assert authorises_write(capability, signed(BOB, entry), entry)

    other_namespace = GARDEN_KEY if root.namespace == MEADOW_KEY else MEADOW_KEY
    for code, wrong in (
        ("outside-area", replace(entry, subspace=BOBS)),
        ("outside-area", replace(entry, path=(b"dox",))),
        ("outside-area", replace(entry, path=())),
        ("outside-area", replace(entry, path=(b"do", b"c"))),
        ("outside-area", replace(entry, timestamp=9)),
        ("outside-area", replace(entry, timestamp=1000)),  # an expired area
        ("outside-area", replace(entry, timestamp=U64_MAX)),
        ("wrong-namespace", replace(entry, namespace=other_namespace)),
    ):
        with pytest.raises(Unauthorised) as refusal:
            check_write(capability, signed(BOB, wrong), wrong)
        assert refusal.value.code == code
        assert not authorises_write(capability, signed(BOB, wrong), wrong)


def test_a_capability_for_another_key_is_of_no_use() -> None:
    capability = chain(HERS, BOB)
    for thief in (MALLORY, CAROL, ALICE):  # not even the giver signs in the receiver's place
        with pytest.raises(Unauthorised) as refusal:
            check_write(capability, signed(thief, ENTRY), ENTRY)
        assert refusal.value.code == "bad-signature"


def test_the_signature_is_over_this_entry() -> None:
    for other in (
        replace(ENTRY, payload_digest=b"\1" * 32),
        replace(ENTRY, payload_length=1),
        replace(ENTRY, timestamp=501),
        replace(ENTRY, path=(b"doc", b"y")),
    ):
        assert not authorises_write(HERS, signed(ALICE, ENTRY), other)


def test_the_owner_of_a_namespace_cannot_write_into_another() -> None:
    """By the letter of Meadowcap's `is_authorised_write` Mallory could."""
    hers = SigningKey.from_seed(MALLORY.seed)
    everything = own(hers, WRITE, hers.public)
    victim = replace(ENTRY, namespace=GARDEN_KEY)
    assert everything.granted_area.includes_entry(victim)
    with pytest.raises(Unauthorised) as refusal:
        check_write(everything, signed(hers, victim), victim)
    assert refusal.value.code == "wrong-namespace"


def test_a_capability_to_read_does_not_allow_writing() -> None:
    reader = Capability(READ, MEADOW_KEY, ALICES)
    with pytest.raises(Unauthorised) as refusal:
        check_write(reader, signed(ALICE, ENTRY), ENTRY)
    assert refusal.value.code == "read-only"


def test_reading_is_limited_to_the_area_and_namespace() -> None:
    reader = chain(Capability(READ, MEADOW_KEY, ALICES), BOB)
    assert authorises_read(reader, MEADOW_KEY, FOLDER)
    assert authorises_read(reader, MEADOW_KEY, replace(FOLDER, path=(b"doc", b"x"), end=11))
    assert not authorises_read(reader, GARDEN_KEY, FOLDER)
    assert not authorises_read(reader, MEADOW_KEY, replace(FOLDER, path=()))
    assert not authorises_read(reader, MEADOW_KEY, replace(FOLDER, end=None))
    assert not authorises_read(reader, MEADOW_KEY, replace(FOLDER, subspace=None))
    assert not authorises_read(chain(HERS, BOB), MEADOW_KEY, FOLDER)


def test_communal_and_owned_are_not_mixed_up() -> None:
    """Alice cannot take a subspace of the garden, nor the meadow's key give the meadow away."""
    for capability in (Capability(WRITE, GARDEN_KEY, ALICES), own(MEADOW, WRITE, ALICES)):
        with pytest.raises(Unauthorised) as refusal:
            check_valid(capability)
        assert refusal.value.code == "wrong-namespace-kind"


def test_an_initial_authorisation_is_for_one_user_and_mode() -> None:
    for wrong in (
        replace(HERS_IN_GARDEN, user=MALLORY.public),
        replace(HERS_IN_GARDEN, mode=READ),
        replace(HERS_IN_GARDEN, initial_authorisation=MALLORY.sign(b"\3" + ALICES)),
    ):
        with pytest.raises(Unauthorised) as refusal:
            check_valid(wrong)
        assert refusal.value.code == "bad-authorisation"


def test_a_delegation_is_signed_by_its_giver() -> None:
    capability = forged(HERS, MALLORY, FOLDER, MALLORY.public)
    with pytest.raises(Unauthorised) as refusal:
        check_valid(capability)
    assert refusal.value.code == "bad-delegation"


def test_a_delegation_cannot_be_moved_to_another_chain() -> None:
    """Each link signs the one before it, so it holds only after just that one."""
    from_carol = chain(HERS, CAROL, BOB).delegations[-1]
    narrower = chain(HERS, CAROL, area=replace(FOLDER, start=11))
    assert not is_valid(replace(narrower, delegations=(*narrower.delegations, from_carol)))
    assert not is_valid(replace(HERS, delegations=(from_carol,)))
    assert not is_valid(replace(HERS_IN_GARDEN, delegations=chain(HERS, BOB).delegations))


WIDER = [
    replace(FOLDER, path=()),
    replace(FOLDER, path=(b"do",)),
    replace(FOLDER, start=9),
    replace(FOLDER, end=1001),
    replace(FOLDER, end=None),
    replace(FOLDER, subspace=None),
    replace(FOLDER, subspace=BOBS),
]


@pytest.mark.parametrize("area", WIDER)
@pytest.mark.parametrize("root", [HERS, HERS_IN_GARDEN], ids=["communal", "owned"])
def test_a_delegation_wider_than_its_parent_is_refused(root: Capability, area: Area) -> None:
    parent = chain(root, CAROL)
    with pytest.raises(Unauthorised) as refusal:
        delegate(parent, CAROL, area, BOBS)
    assert refusal.value.code == "wider-than-parent"

    forged = replace(parent, delegations=(*parent.delegations, Delegation(area, BOBS, bytes(64))))
    with pytest.raises(Unauthorised) as refusal:
        check_valid(forged)
    assert refusal.value.code == "wider-than-parent"
    with pytest.raises(ValueError, match="relative to one that includes it"):
        encode_capability(forged)


def test_bytes_that_say_a_wider_area_are_refused() -> None:
    """In bytes only a later end can say it: the path is what the parent has, and more."""
    parent = chain(HERS, CAROL)
    link = b"\x31" + b"\0" + (1000).to_bytes(2, "big") + b"\0"  # from 10 until 1,010
    signature = CAROL.sign(link + parent.delegations[-1].signature + BOBS)
    encoded = encode_capability(parent)
    two = bytes([encoded[0] + 1]) + encoded[1:]
    with pytest.raises(Malformed) as refusal:
        decode_capability(two + link + BOBS + signature)
    assert refusal.value.code == "area-not-included"


@pytest.mark.parametrize(
    ("code", "area"),
    [
        ("area-times", replace(FOLDER, end=10)),
        ("area-times", replace(FOLDER, start=20, end=15)),
        ("path-size", replace(FOLDER, path=(b"doc", bytes(4094)))),
        ("capability-too-long", replace(FOLDER, path=(b"doc", *(b"x" for _ in range(4093))))),
    ],
)
def test_nothing_is_handed_on_that_nobody_would_take(code: str, area: Area) -> None:
    with pytest.raises(Malformed) as refusal:
        delegate(HERS, ALICE, area, BOBS)
    assert refusal.value.code == code


def test_only_the_receiver_hands_a_capability_on() -> None:
    with pytest.raises(Unauthorised) as refusal:
        delegate(HERS, BOB, FOLDER, BOBS)
    assert refusal.value.code == "not-the-receiver"


def test_16_delegations_hold_and_17_are_refused() -> None:
    longest = chain(HERS, *([BOB, CAROL] * (DELEGATIONS_MAX // 2)))
    assert decode_capability(encode_capability(longest)) == longest
    assert is_valid(longest)

    with pytest.raises(Unauthorised) as refusal:
        delegate(longest, CAROL, FOLDER, BOBS)
    assert refusal.value.code == "too-many-delegations"
    too_long = forged(longest, CAROL, FOLDER, BOBS)
    with pytest.raises(Unauthorised) as refusal:
        check_valid(too_long)
    assert refusal.value.code == "too-many-delegations"
    with pytest.raises(Malformed) as misfit:
        decode_capability(encode_capability(too_long))
    assert misfit.value.code == "too-many-delegations"


@pytest.mark.parametrize("tag", ["3c10", "3cff", "3f7fffffffffffffff"])
def test_a_huge_count_of_delegations_is_refused(tag: str) -> None:
    data = bytes.fromhex(tag)
    with pytest.raises(Malformed):
        decode_capability(data[:1] + MEADOW_KEY + ALICES + data[1:])


def test_a_second_spelling_of_a_good_capability_is_refused() -> None:
    """Else one right had many names, and a revocation by name would miss the others."""
    encoded = encode_capability(chain(HERS, BOB))
    longer_count = bytes([0x40 | 60]) + encoded[1:65] + b"\x01" + encoded[65:]
    with pytest.raises(Malformed) as refusal:
        decode_capability(longer_count)
    assert refusal.value.code == "not-canonical"


def test_oversize_truncated_and_trailing_bytes_are_refused() -> None:
    encoded = encode_capability(chain(HERS, BOB))
    for data, code in (
        (encoded[:-1], "truncated"),
        (encoded + b"\0", "trailing-bytes"),
        (b"", "truncated"),
        (bytes(CAPABILITY_BYTES_MAX + 1), "capability-too-long"),
    ):
        with pytest.raises(Malformed) as refusal:
            decode_capability(data)
        assert refusal.value.code == code


@pytest.mark.parametrize("user", [b"\x01" + bytes(31), bytes(32), b"\xee" + b"\xff" * 30 + b"\x7f"])
def test_a_receiver_of_small_order_signs_nothing(user: bytes) -> None:
    """Under OpenSSL the identity as key would accept this signature for every entry."""
    constant = b"\x01" + bytes(63)
    capability = delegate(HERS, ALICE, FOLDER, user)
    assert is_valid(capability)  # handed to nobody: of no use, and no harm
    assert not authorises_write(capability, constant, ENTRY)
    passed_on = Delegation(FOLDER, MALLORY.public, constant)
    assert not is_valid(replace(capability, delegations=(*capability.delegations, passed_on)))


@given(paths)
def test_hostile_path_components_are_only_bytes(path: tuple[bytes, ...]) -> None:
    """`..` climbs nowhere: areas compare whole components, and know no parent."""
    entry = replace(ENTRY, path=(b"doc", b"..", b"other", *path))
    assert authorises_write(HERS, signed(ALICE, entry), entry)
    assert FOLDER.includes_entry(entry)
    assert not replace(FOLDER, path=(b"other",)).includes_entry(entry)


def test_the_cache_verifies_once_and_keeps_only_the_valid() -> None:
    cache = CapabilityCache(size_max=2)
    encoded = encode_capability(chain(HERS, BOB))
    first = cache.get(encoded)

    assert cache.get(bytes(bytearray(encoded))) is first  # the same object: not decoded again
    with pytest.raises(Unauthorised):
        cache.get(encoded[:-1] + bytes([encoded[-1] ^ 1]))
    with pytest.raises(Malformed):
        cache.get(encoded[:-1])
    assert len(cache) == 1


def test_the_cache_forgets_the_least_recently_used() -> None:
    cache = CapabilityCache(size_max=2)
    one, two, three = (encode_capability(chain(HERS, who)) for who in (ALICE, BOB, CAROL))
    first = cache.get(one)
    second = cache.get(two)
    assert cache.get(one) is first
    cache.get(three)

    assert len(cache) == 2
    assert cache.get(one) is first
    assert cache.get(two) is not second


def test_the_prefixes_of_a_chain_are_what_a_revocation_may_name() -> None:
    capability = chain(HERS, BOB, CAROL)
    links = list(capability.prefixes())
    assert links[0] == HERS
    assert links[1] == chain(HERS, BOB)
    assert links[2] == capability
    assert [link.receiver for link in links] == [ALICE.public, BOB.public, CAROL.public]


def test_the_cache_keeps_no_area_deeper_than_our_paths() -> None:
    """One of 3,000 components, handed on and on, would take half a megabyte."""
    cache = CapabilityCache()
    deep = delegate(HERS, ALICE, Area(ALICES, (b"",) * 3_000), BOB.public)
    shallow = delegate(HERS, ALICE, Area(ALICES, (b"",) * DEPTH), BOB.public)
    assert cache.get(encode_capability(deep)) == deep
    assert len(cache) == 0
    cache.get(encode_capability(shallow))
    assert len(cache) == 1
