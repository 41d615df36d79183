"""Our own vectors for what no public ones have: owned namespaces and read mode, with signatures.

`scripts/vectors/capabilities.py` builds them; `tests/vectors/README.md` describes the file.
"""

import json
from pathlib import Path

import pytest

from crdt.capability import (
    DELEGATIONS_MAX,
    READ,
    WRITE,
    authorises_read,
    authorises_write,
    check_valid,
    check_write,
    decode_capability,
)
from crdt.entry import decode_entry
from crdt.errors import CrdtError, Unauthorised
from scripts.vectors.capabilities import FILE as NAME
from scripts.vectors.capabilities import build, refused
from tests.crdt.test_area import area_of

FILE = Path(__file__).parent.parent / "vectors" / NAME


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
            if item["code"]:
                with pytest.raises(Unauthorised) as refusal:
                    check_write(capability, signature, entry)
                assert refusal.value.code == item["code"]
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
    (item,) = (item for item in published if item["name"] == name)
    with pytest.raises(CrdtError) as refusal:
        check_valid(decode_capability(bytes.fromhex(item["encoded_hex"])))
    assert refusal.value.code == item["code"]


def test_chains_of_every_depth_are_published() -> None:
    every = set(range(1, DELEGATIONS_MAX + 1))
    for name, wanted in (("owned, read", every), ("communal, write", {4, 8, 12, 16})):
        depths = {
            len(published["delegations"])
            for published in json.loads(FILE.read_text())["accepted"]
            if published["name"].startswith(f"{name}: ") and published["name"].endswith(" deep")
        }
        assert depths == wanted
