"""Verdicts: what they say of good modules, and what, why and where of bad ones."""

import hashlib

import blake3
import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.wasm.features import PINNED, checker, feature_digest
from registry.wasm.limits import Limits
from registry.wasm.validate import Validator
from registry.wasm.verdict import CARRY, Export, Import, Policy, refusal
from tests.registry.wasm.bombs import ADMITTED, HEADER, functions, importing, section

VALIDATOR = Validator()
ADD = bytes(
    wasmtime.wat2wasm(
        """(module (import "env" "memory" (memory 1))
          (func (export "add") (param i32 i64) (result i64) (local.get 1)))"""
    )
)


def test_a_good_module() -> None:
    verdict = VALIDATOR.validate(ADD, Policy())
    assert verdict.ok
    assert verdict.code == "valid"
    assert verdict.size == len(ADD)
    assert verdict.sha256 == hashlib.sha256(ADD).hexdigest()
    assert verdict.blake3 == blake3.blake3(ADD).hexdigest()
    assert verdict.imports == (Import("env", "memory", "memory", ""),)
    assert verdict.exports == (Export("add", "function", "(i32, i64) -> i64"),)
    assert (verdict.checker, verdict.features) == (checker(), feature_digest(PINNED))
    assert str(verdict) == f"valid, says {checker()}"


def test_an_invalid_body_is_named_with_its_byte_and_section() -> None:
    verdict = VALIDATOR.validate(functions([b"\0\x6a\x0b"]), Policy())  # i32.add of nothing
    assert verdict.code == "invalid"
    assert "expected i32" in verdict.detail
    assert verdict.where == "byte 23 (0x17), code section"
    assert str(verdict).endswith("(byte 23 (0x17), code section)")


@pytest.mark.parametrize(
    ("wasm", "code"),
    [
        (b"", "not-wasm"),
        (b"(module)", "not-wasm"),
        (b"PK\3\4", "not-wasm"),
        (bytes(wasmtime.wat2wasm("(component)")), "component"),
        (ADD[:-1], "truncated"),
        (ADD[:13], "truncated"),
        (ADD + b"\0", "truncated"),
        (HEADER + section(77, b""), "invalid"),
        (importing("env", "\u202egnp.exe"), "unsafe-name"),
        (importing("../env", "x"), "unsafe-name"),
    ],
)
def test_what_is_no_module(wasm: bytes, code: str) -> None:
    verdict = VALIDATOR.validate(wasm, CARRY)
    assert (verdict.ok, verdict.code) == (False, code), verdict
    assert verdict.where.startswith("byte ")
    assert verdict.sha256 == hashlib.sha256(wasm).hexdigest()


def test_size_comes_first() -> None:
    verdict = VALIDATOR.validate(b"x" * 101, Policy(size_bytes_max=100))
    assert (verdict.code, verdict.detail) == ("too-large", "101 bytes, at most 100")


def test_an_import_that_nothing_allows() -> None:
    verdict = VALIDATOR.validate(importing("./x_bg.js", "__wbindgen_throw"), Policy())
    assert verdict.code == "import-not-allowed"
    assert "'./x_bg.js.__wbindgen_throw'" in verdict.detail
    assert "env.memory, wasi_snapshot_preview1.*" in verdict.detail
    assert verdict.where.endswith("import section")
    assert verdict.imports, "a listing shows what a refused module wants"


@pytest.mark.parametrize(
    ("module", "name", "is_offered"),
    [
        ("env", "memory", True),
        ("wasi_snapshot_preview1", "random_get", True),
        ("env", "abort", False),  # what AssemblyScript adds
        ("loa", "vudo_print", False),  # what DOL imports
        ("./x_bg.js", "__wbindgen_init_externref_table", False),  # what wasm-bindgen imports
        ("a", "b", False),  # what Emscripten minifies to
        ("wasi_snapshot_preview1.evil", "x", False),
        ("wasi_unstable", "fd_write", False),
    ],
)
def test_what_a_node_offers_to_any_module(module: str, name: str, is_offered: bool) -> None:
    assert VALIDATOR.validate(importing(module, name), Policy()).ok == is_offered
    assert VALIDATOR.validate(importing(module, name), CARRY).ok


def test_a_manifest_allows_what_it_declares() -> None:
    rng = importing("io.alice.rng", "next")
    assert VALIDATOR.validate(rng, Policy.for_manifest(("io.alice.rng.*",), ())).ok
    assert VALIDATOR.validate(rng, Policy.for_manifest((), ("io.alice.rng",))).ok
    assert VALIDATOR.validate(rng, Policy.for_manifest((), ("did:key:z6Mk/io.alice.rng",))).ok
    assert VALIDATOR.validate(rng, CARRY).ok
    assert "allowed is nothing" in VALIDATOR.validate(rng, Policy.for_manifest((), ())).detail


def test_a_pattern_that_cannot_be_read_is_a_verdict_too() -> None:
    assert VALIDATOR.validate(ADD, Policy(imports=("env",))).code == "bad-import-pattern"


def test_many_denied_imports_are_counted_not_listed() -> None:
    body = b"\x0a" + b"".join(b"\1a\1" + bytes([97 + each]) + b"\0\0" for each in range(10))
    wasm = HEADER + section(1, b"\1\x60\0\0") + section(2, body)
    assert "'a.e' and 5 more, allowed is" in VALIDATOR.validate(wasm, Policy()).detail


@pytest.mark.parametrize("bomb", ADMITTED)
def test_what_the_limits_admit_validates(bomb: str) -> None:
    assert VALIDATOR.validate(ADMITTED[bomb](), Policy()).ok


def test_limits_travel_with_the_policy() -> None:
    policy = Policy(limits=Limits(exports=0))
    assert "1 exports, at most 0" in VALIDATOR.validate(ADD, policy).detail


def test_a_refusal_without_an_outline() -> None:
    verdict = refusal(ADD, "validator-died", "by SIGABRT", checker="c", features="f")
    assert (verdict.ok, verdict.size, verdict.imports) == (False, len(ADD), ())
    assert str(verdict) == "validator-died: by SIGABRT"


@given(st.binary(max_size=200), st.integers(0, 3))
@settings(max_examples=300)
def test_garbage_gets_a_verdict(garbage: bytes, kind: int) -> None:
    wasm = (garbage, HEADER + garbage, ADD + garbage, ADD[: len(garbage)] + garbage)[kind]
    verdict = VALIDATOR.validate(wasm, CARRY)
    assert verdict.ok or (verdict.detail and verdict.where)
