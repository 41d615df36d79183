"""Meadowcap capabilities for what no public vectors have: owned namespaces and read mode, signed.

Built from names alone. `tests/vectors/README.md` describes the file for other implementations.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crdt.area import Area, encode_area_in_area
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    DELEGATIONS_MAX,
    READ,
    WRITE,
    Capability,
    Delegation,
    authorises_read,
    check_valid,
    check_write,
    decode_capability,
    delegate,
    encode_capability,
    handover,
    own,
)
from crdt.digest import PARAMETERS, payload_digest
from crdt.ed25519 import SigningKey
from crdt.entry import Entry, encode_entry
from crdt.errors import CrdtError, Unauthorised
from crdt.keys import AuthorKey, NamespaceKey
from crdt.path import encode_path
from tests.crdt.strategies import ALICE, BOB, CAROL, GARDEN, MALLORY, MEADOW

DEPTH_JUDGED_MAX = 5  # with all neighbours of the granted area; deeper ones with two

FILE = "meadowcap_owned_read.json"

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
RECORD = Area(ALICES, (b"pub", b"mod", b"io.univrs.user"))
UNIVERSE = Area(ALICES, (b"pub", b"uni", b"io.univrs.world"), 0, 5_000)
UNIVERSE_IN_FOLDER = replace(SEASON, path=(*FOLDER.path, b"io.univrs.world"))
BOBS = Area(AuthorKey(BOB.public))
IDENTITY = b"\1" + bytes(31)
NOT_CANONICAL = (2**255 - 19 + 3).to_bytes(32, "little")

Chain = tuple[tuple[SigningKey, Area], ...]

CHAINS: dict[str, Chain] = {
    "the first user herself": (),
    "everything, handed on": ((BOB, WHOLE),),
    "one subspace": ((BOB, HERS),),
    "one folder, then a season of one record": ((BOB, FOLDER), (CAROL, SEASON)),
    "down to a day": ((BOB, FOLDER), (CAROL, SEASON), (BOB, DAY)),
    "handed to oneself": ((ALICE, FOLDER), (ALICE, FOLDER)),
    "a publisher of one module, and their device": ((BOB, RECORD), (CAROL, RECORD)),
    "a maintainer of one universe until a day, and their device": (
        (BOB, UNIVERSE),
        (CAROL, replace(UNIVERSE, end=4_000)),
    ),
    "an empty component and a zero byte": ((BOB, Area(ALICES, (b"", b"\0"), 0, 1)),),
}


def deep(length: int) -> Chain:
    """Handed on so often, each time for a shorter while: the ranges count from either end."""
    turns = (BOB, CAROL, ALICE, BOB)
    return tuple(
        (turns[number % 4], replace(FOLDER, start=number * number, end=(1 << 40) - 300 * number))
        for number in range(length)
    )


GRANTS: dict[str, tuple[int, Chain]] = {
    "a member reads everything": (READ, ((BOB, WHOLE), (CAROL, WHOLE))),
    "a member reads one folder": (READ, ((BOB, FOLDER), (CAROL, FOLDER))),
    "a member writes in their own subspace": (WRITE, ((BOB, BOBS), (CAROL, BOBS))),
    "an admin writes everywhere": (WRITE, ((BOB, WHOLE), (CAROL, WHOLE))),
}
"""By the key of the namespace itself, to a member's root key, who gives it to a device."""


def granted(root: Capability, chain: Chain, giver: SigningKey = ALICE) -> Capability:
    """`root`, which is Alice's or the giver's, handed from one to the next."""
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
        for length in range(1, DELEGATIONS_MAX + 1):
            if mode == READ:
                yield f"owned, {word}: {length} deep", granted(owned, deep(length))
            elif length % 4 == 0:
                yield f"communal, {word}: {length} deep", granted(communal, deep(length))
    for name, (mode, chain) in GRANTS.items():
        root = own(GARDEN, mode, GARDEN.public)
        yield f"owned, {MODES[mode]}: {name}", granted(root, chain, GARDEN)


def refused() -> Iterator[tuple[str, bytes]]:
    """Encodings of capabilities that are not to be taken, and why."""
    for mode, word in MODES.items():
        for name, capability in (*refused_roots(mode), *refused_links(mode)):
            yield f"{word}: {name}", encode_capability(capability)
    for name, data in (*wider(), *other_spellings()):
        yield name, data


def refused_roots(mode: int) -> Iterator[tuple[str, Capability]]:
    owned = own(GARDEN, mode, ALICES)
    communal = Capability(mode, NamespaceKey(MEADOW.public), ALICES)
    authorisation = owned.initial_authorisation or b""
    yield (
        "an owned namespace without an initial authorisation",
        replace(communal, namespace=NamespaceKey(GARDEN.public)),
    )
    yield "a communal namespace with one", own(MEADOW, mode, ALICES)
    by_mallory = MALLORY.sign(bytes([2 | mode]) + ALICES)
    yield "authorised by another key", replace(owned, initial_authorisation=by_mallory)
    yield (
        "authorised with S + L for S",
        replace(owned, initial_authorisation=with_s_plus_l(authorisation)),
    )
    yield "authorised for the other mode", replace(own(GARDEN, 1 - mode, ALICES), mode=mode)
    yield "authorised for another user", replace(owned, user=MALLORY.public)
    yield (
        "communal, delegated for the other mode",
        replace(granted(replace(communal, mode=1 - mode), ((BOB, FOLDER),)), mode=mode),
    )
    yield "seventeen delegations", seventeen(owned)


def refused_links(mode: int) -> Iterator[tuple[str, Capability]]:
    """The last of two delegations is not what Bob signed."""
    owned = own(GARDEN, mode, ALICES)
    parent = granted(owned, ((BOB, FOLDER),))
    handed_on = handover(parent, SEASON, CAROL.public)
    good = BOB.sign(handed_on)
    communal = Capability(mode, NamespaceKey(MEADOW.public), ALICES)
    elsewhere = granted(communal, ((BOB, FOLDER), (CAROL, SEASON))).delegations[-1].signature
    for name, (area, user, signature) in {
        "delegated by another key": (SEASON, CAROL.public, MALLORY.sign(handed_on)),
        "delegated to another user": (SEASON, MALLORY.public, good),
        "delegated for another time": (DAY, CAROL.public, good),
        "delegated for another record": (UNIVERSE_IN_FOLDER, CAROL.public, good),
        "signed as if it were the first delegation": (
            SEASON,
            CAROL.public,
            BOB.sign(handover(owned, SEASON, CAROL.public)),
        ),
        "signed in another chain": (SEASON, CAROL.public, elsewhere),
        "a signature with S + L for S": (SEASON, CAROL.public, with_s_plus_l(good)),
        "a signature with a nonce that is not reduced": (
            SEASON,
            CAROL.public,
            NOT_CANONICAL + good[32:],
        ),
    }.items():
        new = Delegation(area, user, signature)
        yield name, replace(parent, delegations=(*parent.delegations, new))

    # Under the cofactorless equation alone, this signature of the identity holds for every message.
    for name, key in (("of small order", IDENTITY), ("that is not canonical", NOT_CANONICAL)):
        nobodys = delegate(granted(owned, ((ALICE, FOLDER),)), ALICE, FOLDER, key)
        stolen = Delegation(FOLDER, MALLORY.public, IDENTITY + bytes(32))
        yield (
            f"signed by a key {name}",
            replace(nobodys, delegations=(*nobodys.delegations, stolen)),
        )


def wider() -> Iterator[tuple[str, bytes]]:
    """Bob signs over more than he has. In bytes, few areas can say so: a path only adds."""
    parent = granted(own(GARDEN, WRITE, ALICES), ((BOB, SEASON),))
    outer, whole = parent.granted_area, Area()
    times = {
        "longer than its parent": b"\x31\0" + (1_001).to_bytes(2, "big"),
        "before its parent": b"\x19" + (1_001).to_bytes(2, "big") + b"\x01",
        "open, within one that ends": b"\x60\0",
        "that ends where it starts": b"\x30\5\5",
    }
    for name, link in times.items():
        yield f"an area {name}", by_hand(parent, link + encode_path(()))
    yield "an area of another subspace", by_hand(parent, encode_area_in_area(HERS, whole))
    long = encode_area_in_area(replace(outer, path=(*outer.path, b"x" * 4_090)), outer)
    yield "an area whose path is too long altogether", by_hand(parent, long)


def by_hand(parent: Capability, link: bytes) -> bytes:
    """`parent` handed on by Bob to Carol with a link that no honest program writes."""
    signature = BOB.sign(link + parent.delegations[-1].signature + CAROL.public)
    encoded = encode_capability(parent)
    return bytes([encoded[0] + 1]) + encoded[1:] + link + CAROL.public + signature


def other_spellings() -> Iterator[tuple[str, bytes]]:
    """Bytes that say what good ones say, and bytes that say nothing."""
    encoded = encode_capability(granted(own(GARDEN, WRITE, ALICES), ((BOB, FOLDER),)))
    head = bytes([encoded[0] & 0xC0 | 60])  # a byte follows that says how many delegations
    yield "a count in more bytes than it needs", head + encoded[1:129] + b"\1" + encoded[129:]
    many = bytes([encoded[0] & 0xC0 | 63]) + encoded[1:129] + b"\xff" * 8
    yield "2^64 - 1 delegations", many + encoded[129:]
    yield "a byte left over", encoded + b"\0"
    yield "a byte too few", encoded[:-1]
    yield "nothing", b""
    yield "more bytes than any may have", encoded.ljust(CAPABILITY_BYTES_MAX + 1, b"\0")


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
    check_valid(capability)
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
                "is_write_authorised": not (code := why_not(capability, signature, entry)),
                "code": code,
            }
            for place, entry in entries_for(capability)
            if len(capability.delegations) < DEPTH_JUDGED_MAX or place in ("inside", "too late")
        ],
        "areas": [
            {
                "area": area_fields(area),
                "is_read_authorised": authorises_read(capability, capability.namespace, area),
            }
            for area in areas_for(capability)
        ],
    }


def why_not(capability: Capability, signature: bytes, entry: Entry) -> str | None:
    """The code of our refusal to write; None where it is allowed."""
    try:
        check_write(capability, signature, entry)
    except Unauthorised as refusal:
        return refusal.code
    return None


def refusal_of(encoded: bytes) -> str:
    """The code of our refusal of the capability itself."""
    try:
        check_valid(decode_capability(encoded))
    except CrdtError as refusal:
        return refusal.code
    raise AssertionError("a capability that should be refused is taken")


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
        "refused": [
            {"name": name, "encoded_hex": data.hex(), "code": refusal_of(data)}
            for name, data in refused()
        ],
    }
    return json.dumps(vectors, indent=1) + "\n"
