import json
from pathlib import Path

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.did import decode_did_key, encode_did_key, short_did
from crdt.ed25519 import SigningKey
from crdt.errors import Malformed
from tests.crdt.strategies import ALICE

ALICE_DID = encode_did_key(ALICE.public)


def test_public_examples_are_read_or_refused_by_their_kind_of_key(vectors: Path) -> None:
    facts = json.loads((vectors / "did_key" / "examples.json").read_text())

    assert {example["ed25519"] for example in facts["examples"]} == {True, False}
    for example in facts["examples"]:
        if example["ed25519"]:
            key = bytes.fromhex(example["public_key_hex"])
            assert decode_did_key(example["did"]) == key
            assert encode_did_key(key) == example["did"]
        else:
            with pytest.raises(Malformed, match="not"):
                decode_did_key(example["did"])


def test_public_seeds_give_their_did(vectors: Path) -> None:
    for pair in json.loads((vectors / "did_key" / "examples.json").read_text())["from_seed"]:
        key = SigningKey.from_seed(bytes.fromhex(pair["seed_hex"]))
        assert key.public.hex() == pair["public_key_hex"]
        assert encode_did_key(key.public) == pair["did"]


@given(st.binary(min_size=32, max_size=32))
def test_decoding_undoes_encoding(key: bytes) -> None:
    did = encode_did_key(key)

    assert did.startswith("did:key:z6Mk")
    assert decode_did_key(did) == key


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:z",
        "did:key:z6Mk",
        "did:web:example.org",
        ALICE_DID.upper(),
        " " + ALICE_DID,
        ALICE_DID + " ",  # base58 strips it; we do not
        ALICE_DID + "\n",
        ALICE_DID + "#key-1",
        ALICE_DID.replace("did:key:z", "did:key:z1"),  # a leading zero byte
        ALICE_DID[:-1] + "0",  # not in the alphabet
        ALICE_DID[:-1] + "é",
        "did:key:z" + "1" * 100_000,
        "did:key:z" + base58.b58encode(b"\xec\x01" + bytes(32)).decode(),  # X25519
        "did:key:z" + base58.b58encode(b"\xed\x01" + bytes(31)).decode(),
        "did:key:z" + base58.b58encode(b"\xed\x01" + bytes(33)).decode(),
        "did:key:z" + base58.b58encode(b"\xed\x81\x00" + bytes(31)).decode(),  # a long varint
    ],
)
def test_anything_but_the_one_spelling_is_refused(did: str) -> None:
    with pytest.raises(Malformed) as refusal:
        decode_did_key(did)
    assert refusal.value.code in ("not-a-did", "not-ed25519")
    assert len(refusal.value.detail) < 200


@given(st.text(max_size=60))
def test_any_text_is_refused_or_is_its_own_spelling(text: str) -> None:
    did = "did:key:z" + text
    try:
        key = decode_did_key(did)
    except Malformed:
        return
    assert encode_did_key(key) == did


def test_the_short_form_keeps_the_end_that_differs() -> None:
    assert short_did(ALICE_DID) == f"z6Mk…{ALICE_DID[-6:]}"
