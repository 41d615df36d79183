"""The pinned features: said in full, off where they are off, and named by a digest."""

import pytest
import wasmtime

from registry.wasm.features import PINNED, checker, feature_digest
from registry.wasm.validate import Validator
from registry.wasm.verdict import Policy

# What another node must compute; a change of it is a change of which modules are taken.
PINNED_DIGEST = "bd293ba57ce7bd07"

# Each needs one feature that is off.
OFF = {
    "threads": "(module (memory 1 1 shared))",
    "memory64": "(module (memory i64 1))",
    "multi_memory": "(module (memory 1) (memory 1))",
    "tail_call": "(module (func (return_call 0)))",
    "exceptions": "(module (tag))",
    "gc": "(module (type (struct)))",
    "function_references": "(module (type $f (func)) (func (param (ref $f))))",
    "relaxed_simd": """(module (func (param v128 v128) (result v128)
        (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))""",
    "wide_arithmetic": """(module (func (param i64 i64 i64 i64) (result i64 i64)
        (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))""",
}
ON = {
    "simd": "(module (func (param v128) (result i32) (i8x16.all_true (local.get 0))))",
    "bulk_memory": """(module (memory 1)
        (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))))""",
    "reference_types": "(module (table 1 externref))",
    "multi_value": "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))",
}


def test_every_feature_of_this_wasmtime_is_said() -> None:
    known = {name[5:] for name in dir(wasmtime.Config) if name.startswith("wasm_")}
    assert known - set(PINNED) == {"relaxed_simd_deterministic"}, "of no use while that is off"
    assert set(PINNED) <= known


def test_the_digest_names_the_set() -> None:
    assert feature_digest(PINNED) == PINNED_DIGEST
    assert feature_digest({**PINNED, "gc": True}) != PINNED_DIGEST
    assert feature_digest(dict(reversed(list(PINNED.items())))) == PINNED_DIGEST
    assert checker().startswith("wasmtime ")


@pytest.mark.parametrize("feature", OFF)
def test_a_feature_that_is_off_is_refused_as_such(feature: str) -> None:
    verdict = Validator().validate(bytes(wasmtime.wat2wasm(OFF[feature])), Policy())
    assert (verdict.ok, verdict.code) == (False, "feature-off"), verdict
    assert "byte " in verdict.where


@pytest.mark.parametrize("feature", ON)
def test_a_feature_that_is_on_is_taken(feature: str) -> None:
    assert Validator().validate(bytes(wasmtime.wat2wasm(ON[feature])), Policy()).ok
