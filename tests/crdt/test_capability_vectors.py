"""Our own vectors for what no public ones have: owned namespaces and read mode, with signatures.

The file is built here from names alone and compared with what is published; its description is
`tests/vectors/README.md`.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    Delegation,
    authorises_read,
    authorises_write,
    check_valid,
    decode_capability,
    delegate,
    encode_capability,
    handover,
    own,
)
from crdt.digest import PARAMETERS, payload_digest
from crdt.ed25519 import SigningKey
from crdt.entry import Entry, decode_entry, encode_entry
from crdt.errors import CrdtError
from crdt.keys import AuthorKey, NamespaceKey
from tests.crdt.strategies import ALICE, BOB, CAROL, GARDEN, MALLORY, MEADOW
from tests.crdt.test_area import area_of

FILE = Path(__file__).parent.parent / "vectors" / "meadowcap_owned_read.json"

PEOPLE = {
    "alice": ALICE,
    "bob": BOB,
    "carol": CAROL,
    "mallory": MALLORY,
    "garden": GARDEN,
    "meadow": MEADOW,
}
ALICES = AuthorKey(ALICE.public)
MODES = {READ: "read", WRITE: "write"}

WHOLE = Area()
HERS = Area(ALICES)
FOLDER = Area(ALICES, (b"pub", b"mod"))
SEASON = Area(ALICES, (b"pub", b"mod", b"io.univrs.user"), 1_000, 2_000)
DAY = replace(SEASON, start=1_900, end=1_950)
IDENTITY = b"\1" + bytes(31)

Chain = tuple[tuple[SigningKey, Area], ...]

CHAINS: dict[str, Chain] = {
    "the first user herself": (),
    "everything, handed on": ((BOB, WHOLE),),
    "one subspace": ((BOB, HERS),),
    "one folder, then a season of one record": ((BOB, FOLDER), (CAROL, SEASON)),
    "down to a day": ((BOB, FOLDER), (CAROL, SEASON), (BOB, DAY)),
    "handed to oneself": ((ALICE, FOLDER), (ALICE, FOLDER)),
    "an empty component and a zero byte": ((BOB, Area(ALICES, (b"", b"\0"), 0, 1)),),
}


def granted(root: Capability, chain: Chain) -> Capability:
    """Alice's `root`, handed from one to the next."""
    giver = ALICE
    for receiver, area in chain:
        root = delegate(root, giver, area, receiver.public)
        giver = receiver
    return root


def seventeen(root: Capability) -> Capability:
    """One more than may be, each of them well signed."""
    parent = granted(root, ((ALICE, FOLDER),) * 16)
    new = Delegation(FOLDER, ALICES, ALICE.sign(handover(parent, FOLDER, ALICES)))
    return replace(parent, delegations=(*parent.delegations, new))


def accepted() -> Iterator[tuple[str, Capability]]:
    """Every chain, owned and communal, to read and to write."""
    for mode, word in MODES.items():
        owned = own(GARDEN, mode, ALICES)
        communal = Capability(mode, NamespaceKey(MEADOW.public), ALICES)
        for name, chain in CHAINS.items():
            yield f"owned, {word}: {name}", granted(owned, chain)
            if chain[:1] != CHAINS["everything, handed on"]:  # communal: no more than a subspace
                yield f"communal, {word}: {name}", granted(communal, chain)


def refused() -> Iterator[tuple[str, bytes]]:
    """Encodings of capabilities that are not to be taken, and why."""
    owned = own(GARDEN, WRITE, ALICES)
    communal = Capability(WRITE, NamespaceKey(MEADOW.public), ALICES)
    by_mallory = MALLORY.sign(b"\3" + ALICES)
    for name, capability in {
        "an owned namespace without an initial authorisation": replace(
            communal, namespace=NamespaceKey(GARDEN.public)
        ),
        "a communal namespace with one": own(MEADOW, WRITE, ALICES),
        "authorised by another key": replace(owned, initial_authorisation=by_mallory),
        "authorised to read, used to write": replace(own(GARDEN, READ, ALICES), mode=WRITE),
        "authorised for another user": replace(owned, user=MALLORY.public),
        "seventeen delegations": seventeen(owned),
    }.items():
        yield name, encode_capability(capability)

    parent = granted(owned, ((BOB, FOLDER),))
    handed_on = handover(parent, SEASON, CAROL.public)
    good = BOB.sign(handed_on)
    for name, (area, user, signature) in {
        "delegated by another key": (SEASON, CAROL.public, MALLORY.sign(handed_on)),
        "delegated to another user": (SEASON, MALLORY.public, good),
        "delegated for another time": (DAY, CAROL.public, good),
        "signed as if it were the first delegation": (
            SEASON,
            CAROL.public,
            BOB.sign(handover(owned, SEASON, CAROL.public)),
        ),
        "a signature with S + L for S": (SEASON, CAROL.public, with_s_plus_l(good)),
    }.items():
        new = Delegation(area, user, signature)
        delegations = (*parent.delegations, new)
        yield name, encode_capability(replace(parent, delegations=delegations))

    # under the cofactorless equation alone, this signature of the identity holds for every message
    nobodys = granted(owned, ((ALICE, FOLDER),))
    nobodys = delegate(nobodys, ALICE, FOLDER, IDENTITY)
    stolen = Delegation(FOLDER, MALLORY.public, IDENTITY + bytes(32))
    delegations = (*nobodys.delegations, stolen)
    yield (
        "signed by a key of small order",
        encode_capability(replace(nobodys, delegations=delegations)),
    )

    encoded = encode_capability(parent)
    head = bytes([encoded[0] & 0xC0 | 60])  # a byte follows that says how many delegations
    yield "a count in more bytes than it needs", head + encoded[1:129] + b"\1" + encoded[129:]
    yield "a byte left over", encoded + b"\0"
    yield "a byte too few", encoded[:-1]


def with_s_plus_l(signature: bytes) -> bytes:
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + s.to_bytes(32, "little")


def entries_for(capability: Capability) -> Iterator[tuple[str, Entry]]:
    """One entry inside the granted area, and its neighbours just outside."""
    area = capability.granted_area
    digest = payload_digest(b"a payload")
    subspace = area.subspace or AuthorKey(CAROL.public)
    inside = Entry(capability.namespace, subspace, (*area.path, b"x"), area.start, 9, digest)
    yield "inside", inside
    if capability.mode == READ:
        return
    yield "in another namespace", replace(inside, namespace=NamespaceKey(MALLORY.public))
    yield "in another subspace", replace(inside, subspace=AuthorKey(MALLORY.public))
    if area.path:
        yield "beside the path", replace(inside, path=(*area.path[:-1], area.path[-1] + b"x"))
        yield "above the path", replace(inside, path=area.path[:-1])
    if area.start:
        yield "too early", replace(inside, timestamp=area.start - 1)
    if area.end is not None:
        yield "at the last moment", replace(inside, timestamp=area.end - 1)
        yield "too late", replace(inside, timestamp=area.end)


def areas_for(capability: Capability) -> tuple[Area, ...]:
    """What somebody asks to read."""
    if capability.mode == WRITE:
        return (capability.granted_area,)
    return WHOLE, HERS, FOLDER, SEASON, DAY, replace(DAY, end=None)


def case(name: str, capability: Capability) -> dict[str, Any]:
    links = zip(capability.prefixes(), capability.delegations, strict=False)
    receiver = next(key for key in PEOPLE.values() if key.public == capability.receiver)
    authorisation = capability.initial_authorisation
    return {
        "name": name,
        "access_mode": capability.mode,
        "namespace_key_hex": capability.namespace.hex(),
        "genesis_user_key_hex": capability.user.hex(),
        "initial_authorisation_hex": None if authorisation is None else authorisation.hex(),
        "delegations": [
            {
                "new_area": area_fields(new.area),
                "new_receiver_hex": new.user.hex(),
                "signed_message_hex": handover(parent, new.area, new.user).hex(),
                "signature_hex": new.signature.hex(),
            }
            for parent, new in links
        ],
        "encoded_hex": encode_capability(capability).hex(),
        "entries": [
            {
                "name": place,
                "encoded_hex": encode_entry(entry).hex(),
                "signature_hex": (signature := receiver.sign(encode_entry(entry))).hex(),
                "is_write_authorised": authorises_write(capability, signature, entry),
            }
            for place, entry in entries_for(capability)
        ],
        "areas": [
            {
                "area": area_fields(area),
                "is_read_authorised": authorises_read(capability, capability.namespace, area),
            }
            for area in areas_for(capability)
        ],
    }


def area_fields(area: Area) -> dict[str, Any]:
    return {
        "subspace_hex": None if area.subspace is None else area.subspace.hex(),
        "path_components_hex": [component.hex() for component in area.path],
        "times_start": area.start,
        "times_end": area.end,
    }


def build() -> str:
    """The text of the published file."""
    vectors = {
        "parameters": PARAMETERS,
        "keys": {
            name: {"seed_hex": key.seed.hex(), "public_hex": key.public.hex()}
            for name, key in PEOPLE.items()
        },
        "accepted": [case(name, capability) for name, capability in accepted()],
        "refused": [{"name": name, "encoded_hex": data.hex()} for name, data in refused()],
    }
    return json.dumps(vectors, indent=1) + "\n"


def test_the_published_file_is_what_its_names_give() -> None:
    assert FILE.read_text() == build()


def test_every_published_capability_is_accepted_and_judges_as_it_says() -> None:
    """Read back from the bytes alone, as another implementation would."""
    cases = json.loads(FILE.read_text())["accepted"]
    verdicts = {"write": set[bool](), "read": set[bool]()}
    for published in cases:
        capability = decode_capability(bytes.fromhex(published["encoded_hex"]))
        check_valid(capability)
        assert capability.namespace.hex() == published["namespace_key_hex"]
        for item in published["entries"]:
            entry = decode_entry(bytes.fromhex(item["encoded_hex"]))
            signature = bytes.fromhex(item["signature_hex"])
            verdict = authorises_write(capability, signature, entry)
            assert verdict == item["is_write_authorised"], (published["name"], item["name"])
            verdicts["write"].add(verdict)
        for item in published["areas"]:
            verdict = authorises_read(capability, capability.namespace, area_of(item["area"]))
            assert verdict == item["is_read_authorised"], published["name"]
            verdicts["read"].add(verdict)
    assert verdicts == {"write": {True, False}, "read": {True, False}}
    assert {published["access_mode"] for published in cases} == {READ, WRITE}


def test_a_writer_writes_inside_and_a_reader_nowhere() -> None:
    for published in json.loads(FILE.read_text())["accepted"]:
        for item in published["entries"]:
            is_inside = item["name"] in ("inside", "at the last moment")
            if item["name"] == "in another subspace":  # inside, for a grant of the whole namespace
                last = published["delegations"][-1:]
                is_owned = published["initial_authorisation_hex"] is not None
                is_inside = last[0]["new_area"]["subspace_hex"] is None if last else is_owned
            is_writer = published["access_mode"] == WRITE
            assert item["is_write_authorised"] == (is_inside and is_writer), item["name"]


@pytest.mark.parametrize("name", [name for name, _ in refused()])
def test_every_published_refusal_is_refused(name: str) -> None:
    published = json.loads(FILE.read_text())["refused"]
    (encoded,) = (item["encoded_hex"] for item in published if item["name"] == name)
    with pytest.raises(CrdtError):
        check_valid(decode_capability(bytes.fromhex(encoded)))
