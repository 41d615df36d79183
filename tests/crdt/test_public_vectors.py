"""Every public vector at hand: which test reads it, or why we refuse it, or leave it out.

The vectors themselves are not part of this repository; where they are absent, these tests skip.
docs/protocol/entries.md, "Where this differs from other Willow'25", is the list for people.
"""

import json
from pathlib import Path

import pytest

from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.capability import Capability, check_valid
from crdt.did import decode_did_key
from crdt.digest import payload_digest
from crdt.document import Document
from crdt.encoding import U64_MAX, Reader
from crdt.errors import Malformed, Unauthorised, Unusable
from crdt.keys import NamespaceKey
from crdt.path import encode_path
from crdt.preflight import check_chunks

READ = {
    "willow_go/paths/basic.json": "test_path.py",
    "willow_go/paths/limits.json": "test_path.py",
    "willow_go/paths_rel/extends.json": "test_path.py",
    "willow_go/entries/basic.json": "test_entry.py",
    "willow_go/areas/relative.json": "test_area.py",
    "willow_go/meadowcap/delegation_chains.json": "test_capability.py",
    "did_key/examples.json": "test_did.py",
    "blake3/test_vectors.json": "test_digest.py",
    "automerge/": "test_preflight.py",
}
LEFT_OUT = {
    "willow_go/paths/relative.json": "paths relative to one that is no prefix: in nothing we send",
    "willow_go/william3/": "our payload digest is BLAKE3, docs/decisions/0004",
}
REFUSED_CAPABILITIES = {
    "communal_write_no_delegations": "its namespace key ends odd: owned, by Willow'25",
    "communal_write_single_delegation_full_area": "its namespace key ends odd: owned",
}
REFUSED_KEYS = {
    "secp256k1-pub": "does not sign with Ed25519",
    "p256-pub": "does not sign with Ed25519",
    "p384-pub": "does not sign with Ed25519",
    "bls12_381-g2-pub": "does not sign with Ed25519",
    "x25519-pub": "does not sign at all",
}
REFUSED_BY_BOUNDS = {
    "fixtures/64bit_obj_id_change": "an op counter over 2^40, near which the library overflows",
    "fuzz-crashers/action-is-48": "cut short",
    "fuzz-crashers/crash-da39a3ee5e6b4b0d3255bfef95601890afd80709": "cut short",
    "fuzz-crashers/invalid_deflate_stream": "its checksum does not match",
    "fuzz-crashers/missing_actor": "cut short",
    "fuzz-crashers/overflow_in_length": "its columns are out of order",
    "fuzz-crashers/too_many_deps": "cut short",
}
REFUSED_BY_THE_LIBRARY = {
    "fixtures/64bit_obj_id_doc": "an op counter over 32 bits",
    "fixtures/counter_value_has_incorrect_meta": "a value longer than its column",
    "fixtures/counter_value_is_ok": "loads in the library, which panics when it reads the counter",
    "fixtures/counter_value_is_overlong": "a number longer than it must be",
    "fuzz-crashers/incorrect_max_op": "heads that do not fit",
    "fuzz-crashers/too_many_ops": "an op counter over 32 bits",
    "interop/exemplar": "loads in the library, but holds a date, which no two nodes read alike",
}


def cases_of(vectors: Path, name: str) -> list[dict[str, str]]:
    loaded: dict[str, list[dict[str, str]]] = json.loads((vectors / name).read_text())
    return loaded.get("cases") or loaded["examples"]


def test_no_vector_at_hand_is_passed_over(vectors: Path) -> None:
    known = tuple(READ | LEFT_OUT)
    for folder in ("willow_go", "did_key", "blake3", "automerge"):
        for file in (vectors / folder).rglob("*"):
            name = file.relative_to(vectors).as_posix()
            if file.is_file() and file.name not in ("LICENSE", "NOTE.md"):
                assert name.startswith(known), f"{name}: read it, or say why not"
    here = Path(__file__).parent
    assert all("public" in (here / test).read_text() for test in READ.values())


def test_the_capabilities_of_willow_go_that_we_refuse(vectors: Path) -> None:
    """Their signatures hold; see test_capability.py."""
    refused = set[tuple[str, str]]()
    for case in cases_of(vectors, "willow_go/meadowcap/delegation_chains.json"):
        namespace = NamespaceKey(bytes.fromhex(case["namespace_key_hex"]))
        user = bytes.fromhex(case["genesis_user_key_hex"])
        try:
            check_valid(Capability(int(case["access_mode"]), namespace, user))
        except Unauthorised as refusal:
            refused.add((case["name"], refusal.code))
    assert refused == {(name, "wrong-namespace-kind") for name in REFUSED_CAPABILITIES}


def test_the_keys_that_we_refuse(vectors: Path) -> None:
    refused = set[str]()
    for case in cases_of(vectors, "did_key/examples.json"):
        try:
            decode_did_key(case["did"])
        except Malformed:
            refused.add(case["codec"])
    assert refused == REFUSED_KEYS.keys()


def test_the_automerge_files_that_we_refuse(vectors: Path) -> None:
    """By the bounds, before the library sees them; or by the library, as an ordinary refusal."""
    by_bounds, by_library = set[str](), set[str]()
    for file in sorted((vectors / "automerge").glob("*/*")):
        name = f"{file.parent.name}/{file.name.removesuffix('.automerge')}"
        try:
            check_chunks(file.read_bytes())
            Document.open("pub", "mod", bytes(32), file.read_bytes())
        except Malformed:
            by_bounds.add(name)
        except Unusable:
            by_library.add(name)
    assert by_bounds == REFUSED_BY_BOUNDS.keys()
    assert by_library == REFUSED_BY_THE_LIBRARY.keys()


def test_digests_are_not_those_of_william3(vectors: Path) -> None:
    loaded = json.loads((vectors / "willow_go" / "william3" / "digests.json").read_text())
    for case in loaded["cases"]:
        data = bytes.fromhex(case["input_hex"])
        assert payload_digest(data).hex() not in case.values()


# Vectors fuzzed from willow-rs have no licence, so they are not at hand; their differences are.


def test_an_open_outer_range_has_no_end_to_count_from() -> None:
    """17 of the 22 that willow-rs accepts count so; the specification wants it from the start."""
    whole, late = Area(), Area(start=U64_MAX - 3, end=U64_MAX - 1)
    theirs = encode_area_in_area(late, whole, willow_rs=True)
    assert read_area_in_area(Reader(theirs), whole, willow_rs=True) == late
    with pytest.raises(Malformed, match="area-times"):
        read_area_in_area(Reader(theirs), whole)
    ours = encode_area_in_area(late, whole)
    assert ours != theirs
    assert read_area_in_area(Reader(ours), whole) == late


@pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4)])
def test_a_range_that_ends_before_it_starts_is_refused(start: int, end: int) -> None:
    """7 of those 22 hold one."""
    encoded = bytes([0x30, start, end]) + encode_path(())
    assert read_area_in_area(Reader(encoded), Area(), willow_rs=True) == Area(None, (), start, end)
    with pytest.raises(Malformed, match="area-times"):
        read_area_in_area(Reader(encoded), Area())
