from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from registry.errors import InvalidStatement
from registry.names import ModuleName
from registry.statement import (
    STATEMENT_BYTES_MAX,
    Artifact,
    Need,
    SignedRelease,
    decode_statement,
    encode_statement,
    sign_release,
    verify_release,
)
from tests.registry.people import (
    ALICE_DID,
    ALICE_LAPTOP,
    BOB_DID,
    BOB_PHONE,
    DICE,
    WASM,
    manifest_of,
    release_of,
)

NEEDS = f"""
[dependencies]
"org.example.chance" = "^1.0"
"{BOB_DID}/org.example.map" = {{ version = "*", optional = true }}
"""
RELEASE = release_of(manifest_of(extra=NEEDS))
SIGNED = sign_release(RELEASE, ALICE_LAPTOP)


def failed(
    signed: SignedRelease,
    *,
    module: ModuleName = DICE,
    version: str = "1.0.0",
    devices: list[bytes] | None = None,
    wasm: bytes | None = None,
) -> list[str]:
    checks = verify_release(signed, module=module, version=version, devices=devices, wasm=wasm)
    return [check.name for check in checks if not check.ok]


def changed(**fields: object) -> bytes:
    statement = cbor.decode(SIGNED.statement, bytes_max=STATEMENT_BYTES_MAX)
    return cbor.encode({**statement, **fields})


def test_a_statement_comes_back_as_it_was_signed() -> None:
    assert decode_statement(SIGNED.statement) == RELEASE
    assert RELEASE.dependencies == {
        f"{ALICE_DID}/org.example.chance": Need("^1.0"),
        f"{BOB_DID}/org.example.map": Need("*", is_optional=True),
    }


def test_bob_verifies_what_alice_published() -> None:
    checks = verify_release(
        SIGNED, module=DICE, version="1.0.0", devices=[ALICE_LAPTOP.public], wasm=WASM
    )
    assert [check.name for check in checks] == [
        "statement", "signature", "device", "size", "sha256", "blake3", "blob",
    ]  # fmt: skip
    assert all(check.ok for check in checks)


def test_every_way_to_cheat_fails_its_own_check() -> None:
    assert failed(SIGNED, module=ModuleName(BOB_DID, DICE.id)) == ["statement"]
    assert failed(SIGNED, version="1.0.1") == ["statement"]
    assert failed(SIGNED, devices=[BOB_PHONE.public]) == ["device"]
    assert failed(SIGNED, wasm=WASM + b"\0") == ["size", "sha256", "blake3", "blob"]
    assert failed(SIGNED, wasm=WASM[:-1] + b"\1") == ["sha256", "blake3", "blob"]
    forged = SignedRelease(SIGNED.statement, bytes(64), SIGNED.device)
    assert failed(forged) == ["signature"]
    others = SignedRelease(changed(imports=["env.secret"]), SIGNED.signature, SIGNED.device)
    assert failed(others) == ["signature"]
    assert failed(SignedRelease(b"", b"", b"")) == ["statement"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "panspermia.release/2"}, "of type"),
        ({"sha256": bytes(31)}, "32 bytes"),
        ({"sha256": "A" * 43 + "="}, "Expected `bytes`"),  # 32 bytes in base64
        ({"size": 0}, "0 bytes"),
        ({"size": -1}, "-1 bytes"),
        ({"imports": ["b.b", "a.a"]}, "not sorted"),
        ({"imports": ["a.a", "a.a"]}, "not sorted"),
        ({"imports": "a.a"}, "not a release statement"),
        ({"module": DICE.id}, "without its author"),
        ({"module": "did:key:zzz/a.b"}, "did:key"),
        ({"version": "1.2"}, "not a version"),
        ({"dependencies": {"a.b": ["*", False]}}, "without its author"),
        ({"dependencies": {str(DICE): ["*", False]}}, "depends on itself"),
        ({"dependencies": {str(DICE) + "2": ["*" * 257, False]}}, "257 characters"),
        ({"dependencies": {str(DICE) + "2": ["*"]}}, "not a release statement"),
        ({"checker": {"name": "c" * 129, "features": ""}}, "128 characters"),
        ({"imports": ["env.\x1b[31m"]}, "U\\+001B"),
        ({"checker": {"name": "\u202e", "features": ""}}, "U\\+202E"),
        ({"dependencies": {str(DICE) + "2": ["1\x1b[31m", False]}}, "a range"),
        ({"dependencies": {str(DICE) + "2": ["１", False]}}, "a range"),
        ({"more": 1}, "more"),
        ({"imports": [f"m.{n:05}" for n in range(4_000)]}, "too-long|at most"),
    ],
)
def test_what_is_no_statement_is_told_why(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidStatement, match=said):
        decode_statement(changed(**fields))


def test_a_statement_too_large_is_not_signed() -> None:
    needs = {f"{BOB_DID}/a.b{n}": Need("^1.0.0") for n in range(400)}
    release = type(RELEASE)(DICE, "1.0.0", Artifact.of(WASM), (), needs, "checker", "features")
    with pytest.raises(InvalidStatement):
        encode_statement(release)


@given(st.binary())
def test_any_bytes_are_a_statement_or_our_error(data: bytes) -> None:
    with pytest.raises(InvalidStatement):
        decode_statement(data)
    assert failed(SignedRelease(data, data, data)) == ["statement"]


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(["type", "module", "version", "sha256", "size", "imports", "dependencies",
                        "checker", "blob", "blake3"]), plain)  # fmt: skip
def test_any_field_is_read_or_our_error(key: str, value: object) -> None:
    try:
        decode_statement(changed(**{key: value}))
    except InvalidStatement as error:
        assert error.detail  # noqa: PT017 - an empty list of imports is as good as any
