"""The outline of a module: what it imports and exports, and where a file lies."""

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.wasm.errors import Refused
from registry.wasm.limits import Limits
from registry.wasm.sections import Exported, Imported, Memory, read_outline
from tests.registry.wasm.bombs import HEADER, REFUSED, functions, section, text, uleb


def assembled(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


EVERYTHING = assembled(
    """(module
      (import "env" "memory" (memory 1 16))
      (import "env" "table" (table 2 funcref))
      (import "env" "limit" (global i32))
      (import "env" "count" (global (mut i64)))
      (import "rng" "next" (func (result i64)))
      (func (export "add") (param i32 i32) (result i64) (i64.const 0))
      (func (export "pair") (param f32) (result f64 i32) (f64.const 0) (i32.const 0))
      (func (export "quiet"))
      (func (export "vector") (param v128 funcref externref))
      (global (export "zero") i32 (i32.const 0))
      (export "again" (memory 0)))"""
)


def test_imports_and_exports_with_their_types() -> None:
    outline = read_outline(EVERYTHING, Limits())
    assert outline.imports == [
        Imported("env", "memory", "memory", ""),
        Imported("env", "table", "table", ""),
        Imported("env", "limit", "global", "i32"),
        Imported("env", "count", "global", "mut i64"),
        Imported("rng", "next", "function", "() -> i64"),
    ]
    assert outline.exports == [
        Exported("add", "function", "(i32, i32) -> i64"),
        Exported("pair", "function", "(f32) -> (f64, i32)"),
        Exported("quiet", "function", "() -> ()"),
        Exported("vector", "function", "(v128, funcref, externref) -> ()"),
        Exported("zero", "global", ""),
        Exported("again", "memory", ""),
    ]
    assert outline.memories == [Memory(1, 16, is_shared=False)]


def test_types_of_later_proposals_keep_the_count_right() -> None:
    wasm = assembled(
        """(module
          (rec (type $pair (sub (struct (field i8) (field (mut i32)))))
               (type $many (array (mut i16)))
               (type $call (func (param (ref null $pair)) (result (ref any) i31ref))))
          (func (export "call") (type $call) (unreachable)))"""
    )
    outline = read_outline(wasm, Limits())
    assert outline.exports[0].type == "((ref null 0)) -> ((ref any), i31ref)"


def test_a_place_belongs_to_a_section() -> None:
    outline = read_outline(EVERYTHING, Limits())
    assert outline.section_at(3) == ""
    assert outline.section_at(9) == "type"
    assert outline.section_at(len(EVERYTHING) - 1) == outline.sections[-1].name


@pytest.mark.parametrize(
    ("wasm", "reason", "detail", "where"),
    [
        (b"", "not-wasm", "is empty", "byte 0 (0x0)"),
        (b"(module)", "not-wasm", "text format", "byte 0 (0x0)"),
        (b"\n ;; hi\n(module)", "not-wasm", "text format", "byte 0 (0x0)"),
        (b"\x1f\x8b\x08\0asm\1", "not-wasm", "begins with 1f 8b 08 00", "byte 0 (0x0)"),
        (b"\0asm\1\0", "truncated", "has 6 bytes", "byte 6 (0x6)"),
        (b"\0as", "truncated", "has 3 bytes", "byte 3 (0x3)"),
        (b"\0asm\x0d\0\1\0", "component", "is a component", "byte 4 (0x4)"),
        (b"\0asm\2\0\0\0", "unknown-version", "version 2", "byte 4 (0x4)"),
        (HEADER + b"\1\x85", "truncated", "middle of a value", "byte 10 (0xa), type section"),
        (HEADER + b"\1\x05\1", "truncated", "5 bytes claimed, 1 left", "byte 10 (0xa), type"),
        (HEADER + b"\1" + b"\xff" * 9, "malformed", "over 32 bits", "byte 9 (0x9), type section"),
        (HEADER + b"\1\xff\xff\xff\xff\x7f", "malformed", "over 32 bits", "byte 9 (0x9), type"),
        (HEADER + section(1, b"\1\x61"), "malformed", "kind of type 0x61", "byte 11 (0xb), type"),
        (HEADER + section(1, b"\1\x60\1\x01"), "malformed", "value type 0x01", "type section"),
        (HEADER + section(2, b"\1\1a\1b\x09"), "malformed", "unknown kind 9", "import section"),
        (HEADER + section(2, b"\1\2\xff\xfe\1b\0\0"), "malformed", "not UTF-8", "import section"),
        (HEADER + section(2, b"\1\1a\1b\0\5"), "invalid", "type 5 is not there", "import section"),
        (HEADER + section(7, b"\1\1a\0\7"), "invalid", "function 7", "byte 14 (0xe), export"),
        (HEADER + section(0, text("x" * 4_097)), "over-limit", "a name of 4,097", "custom section"),
        (
            HEADER + section(10, b"\1\2\3" + b"\1\x7f" * 3),
            "malformed",
            "past the end",
            "code section",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_place(
    wasm: bytes, reason: str, detail: str, where: str
) -> None:
    with pytest.raises(Refused) as caught:
        read_outline(wasm, Limits())
    assert caught.value.reason == reason
    assert detail in caught.value.detail
    assert where in caught.value.where


@pytest.mark.parametrize("bomb", REFUSED)
def test_a_bomb_is_refused_by_its_outline(bomb: str) -> None:
    build, named = REFUSED[bomb]
    with pytest.raises(Refused) as caught:
        read_outline(build(), Limits())
    assert named in caught.value.detail
    assert "section" in caught.value.where


def blamed(wasm: bytes) -> int:
    """The byte a refusal blames; 0 where there is none."""
    try:
        read_outline(wasm, Limits())
    except Refused as refused:
        return refused.at
    return 0


def test_every_prefix_of_a_module_is_refused_or_read() -> None:
    assert all(blamed(EVERYTHING[:size]) <= size for size in range(len(EVERYTHING)))


@given(st.data())
@settings(max_examples=500)
def test_a_damaged_module_raises_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(EVERYTHING)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert 0 <= blamed(bytes(damaged)) <= len(damaged)


@given(st.integers(0, (1 << 32) - 1))
def test_counts_of_any_size_cost_nothing(claimed: int) -> None:
    wasm = HEADER + section(3, uleb(claimed))
    if claimed:
        with pytest.raises(Refused):
            read_outline(wasm, Limits())
    else:
        assert read_outline(wasm, Limits()).functions == []


def test_limits_are_the_callers() -> None:
    wasm = functions([b"\0\x0b"] * 3)
    assert len(read_outline(wasm, Limits(functions=3)).functions) == 3
    with pytest.raises(Refused, match="3 functions, at most 2"):
        read_outline(wasm, Limits(functions=2))
