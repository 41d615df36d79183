"""Our own vectors of whole signed entries; `scripts/vectors/entries.py` builds them."""

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from crdt.capability import CapabilityCache, check_valid, decode_capability
from crdt.change import SignedEntry, check_entry
from crdt.ed25519 import verify_strict
from crdt.entry import decode_entry
from crdt.errors import CrdtError
from scripts.vectors.entries import FILE as NAME
from scripts.vectors.entries import accepted, build, refused

FILE = Path(__file__).parent.parent / "vectors" / NAME


def published(kind: str, name: str) -> dict[str, Any]:
    (case,) = (each for each in json.loads(FILE.read_text())[kind] if each["name"] == name)
    found: dict[str, Any] = case
    return found


def signed_of(case: dict[str, Any]) -> SignedEntry:
    entry, *rest = (
        bytes.fromhex(case[f"{field}_hex"])
        for field in ("entry", "capability", "signature", "payload")
    )
    return SignedEntry(decode_entry(entry), *rest)


def test_the_published_file_is_what_its_names_give() -> None:
    assert FILE.read_text() == build()


@pytest.mark.parametrize("name", [name for name, _ in accepted()])
def test_what_is_published_as_taken_is_taken(name: str) -> None:
    case = published("accepted", name)
    signed = signed_of(case)
    checked = check_entry(signed, CapabilityCache())
    assert checked.change.hash.hex() == case["change_hash_hex"]
    assert checked.seq == case["seq"]
    # As the README says it, by nothing but the bytes that are published.
    entry, capability = bytes.fromhex(case["entry_hex"]), bytes.fromhex(case["capability_hex"])
    id = blake3(entry + blake3(capability).digest() + bytes.fromhex(case["signature_hex"]))
    assert id.hexdigest() == case["id_hex"]
    assert verify_strict(bytes.fromhex(case["device_hex"]), signed.signature, entry)
    check_valid(decode_capability(capability))


@pytest.mark.parametrize("name", [name for name, _ in refused()])
def test_what_is_published_as_refused_is_refused_with_its_code(name: str) -> None:
    case = published("refused", name)
    with pytest.raises(CrdtError) as refusal:
        check_entry(signed_of(case), CapabilityCache())
    assert refusal.value.code == case["code"]
