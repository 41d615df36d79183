"""Whole signed entries, as nodes send and store them: taken, or refused with their code."""

import json
from collections.abc import Iterator
from typing import Any

from crdt.area import Area
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import DocumentId, SignedEntry, Signer, check_entry, sign_change
from crdt.digest import PARAMETERS
from crdt.entry import encode_entry
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import shown
from tests.crdt.strategies import GARDEN
from tests.crdt.test_change import ALICE, ALICES, BOB, HOSTILE, LAPTOP, MODULE, NOW, SIGNER, raw_of

FILE = "signed_entries.json"
PAYLOAD_BYTES_MAX = 2_048  # of those published; the longer ones are bombs, which tests make


def build() -> str:
    """The text of the published file."""
    vectors = {
        "parameters": PARAMETERS,
        "namespaces": {"commons_hex": COMMONS.hex(), "garden_hex": GARDEN.public.hex()},
        "accepted": [taken(name, signed) for name, signed in accepted()],
        "refused": [refusal(name, signed) for name, signed in refused()],
    }
    return json.dumps(vectors, indent=1) + "\n"


def accepted() -> Iterator[tuple[str, SignedEntry]]:
    """By Alice's laptop, and by the device of one to whom she gave a record."""
    first = sign_change(raw_of(), MODULE, signer=SIGNER, prev=None, timestamp=NOW)
    yield "a first change", first
    second = raw_of(acts=2)
    heads = (b"\1" * 32, b"\2" * 32)
    yield (
        "a second change, which cites two authority records",
        sign_change(
            second, MODULE, signer=SIGNER, prev=first.id, auth_heads=heads, timestamp=NOW + 1
        ),
    )
    record = Area(ALICES, (b"pub", b"mod", b"io.univrs.clock"))
    communal = Capability(WRITE, COMMONS, ALICE.public)
    bobs = delegate(delegate(communal, ALICE, record, BOB.public), BOB, record, LAPTOP.public)
    yield "by a device of a publisher of one record", written(bobs, MODULE)
    whole = delegate(own(GARDEN, WRITE, GARDEN.public), GARDEN, Area(), ALICE.public)
    garden = NamespaceKey(GARDEN.public)
    place = DocumentId(garden, ALICES, "pub", "mod", b"io.univrs.clock")
    yield (
        "by a device of an admin of an owned namespace",
        written(delegate(whole, ALICE, Area(ALICES), LAPTOP.public), place),
    )


def written(capability: Capability, document: DocumentId) -> SignedEntry:
    """The laptop's first change of `document`, under this capability."""
    signer = Signer(LAPTOP, AuthorKey(ALICE.public), {document.cls: encode_capability(capability)})
    return sign_change(raw_of(), document, signer=signer, prev=None, timestamp=NOW)


def refused() -> Iterator[tuple[str, SignedEntry]]:
    for name, (signed, _) in HOSTILE.items():
        if len(signed.payload) + len(signed.capability) <= PAYLOAD_BYTES_MAX:
            yield name, signed


def taken(name: str, signed: SignedEntry) -> dict[str, Any]:
    checked = check_entry(signed, CapabilityCache())
    return {
        **fields(name, signed),
        "id_hex": checked.id.hex(),
        "path_shown": shown(signed.entry.path),
        "device_hex": checked.device.hex(),
        "seq": checked.seq,
        "prev_hex": None if checked.prev is None else checked.prev.hex(),
        "authority_heads_hex": [head.hex() for head in checked.auth_heads],
        "change_hash_hex": checked.change.hash.hex(),
        "document_id_hex": checked.document.encode().hex(),
    }


def refusal(name: str, signed: SignedEntry) -> dict[str, Any]:
    try:
        check_entry(signed, CapabilityCache())
    except CrdtError as error:
        return {**fields(name, signed), "code": error.code}
    raise AssertionError(f"{name} is taken")


def fields(name: str, signed: SignedEntry) -> dict[str, Any]:
    """What goes over the wire. The signature is over the bytes of `entry_hex`."""
    return {
        "name": name,
        "entry_hex": encode_entry(signed.entry).hex(),
        "capability_hex": signed.capability.hex(),
        "signature_hex": signed.signature.hex(),
        "payload_hex": signed.payload.hex(),
    }
