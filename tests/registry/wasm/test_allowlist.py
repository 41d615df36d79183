"""Import patterns: what they let through, and that nothing slips past them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.wasm.allowlist import matches, parse_allowlist
from registry.wasm.errors import BadPattern


@pytest.mark.parametrize(
    ("pattern", "module", "name"),
    [
        ("env.memory", "env", "memory"),
        ("wasi_snapshot_preview1.*", "wasi_snapshot_preview1", "random_get"),
        ("wasi_*.fd_*", "wasi_snapshot_preview1", "fd_write"),
        ("gojs.runtime.wasmExit", "gojs", "runtime.wasmExit"),
        ("gojs.*", "gojs", "runtime.wasmExit"),
        ("wasi:cli/exit@0.2.3.exit", "wasi:cli/exit@0.2.3", "exit"),
        ("io.panspermia.rng.*", "io.panspermia.rng", "next"),
        ("./x_bg.js.*", "./x_bg.js", "__wbindgen_throw"),
        ("*", "anything", "at.all"),
        ("env.a*b*c", "env", "abc"),
        ("env.a*b*c", "env", "a--b--c"),
    ],
)
def test_allowed(pattern: str, module: str, name: str) -> None:
    assert parse_allowlist([pattern]).allows(module, name)


@pytest.mark.parametrize(
    ("pattern", "module", "name"),
    [
        ("env.memory", "env", "memory2"),
        ("env.memory", "env2", "memory"),
        ("env.*", "env.evil", "x"),
        ("env.*", "environment", "x"),
        ("env.a*b*c", "env", "acb"),
        ("env.ab*ba", "env", "aba"),
        ("env.[ab]", "env", "a"),
        ("env.?", "env", "a"),
    ],
)
def test_denied(pattern: str, module: str, name: str) -> None:
    assert not parse_allowlist([pattern]).allows(module, name)


def test_an_empty_list_allows_nothing() -> None:
    assert not parse_allowlist([]).allows("env", "memory")


@pytest.mark.parametrize("pattern", ["", "env", ".x", "env.", "..", "a\u202e.b", "x." + "y" * 300])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(BadPattern):
        parse_allowlist([pattern])


def test_too_many_patterns() -> None:
    with pytest.raises(BadPattern, match="more than 256"):
        parse_allowlist(["env.*"] * 257)


def slow_matches(glob: str, text: str) -> bool:
    """The definition of `*`, exponential and obviously right."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(slow_matches(glob[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and glob[0] == text[0] and slow_matches(glob[1:], text[1:])


@given(st.text("ab*", max_size=7), st.text("ab", max_size=9))
def test_the_quick_match_is_the_right_one(glob: str, text: str) -> None:
    assert matches(glob, text) == slow_matches(glob, text)
