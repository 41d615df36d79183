"""What a record can be kept to, and what people may write for it."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidFilter
from registry.facts import FILTER_CHARACTERS_MAX, export_term, facts_of, import_term
from storage.facts import Facts
from storage.listing import Listing


def listing(**fields: object) -> Listing:
    return Listing("module", "did:key:z", "a.b", "b", "", (), "", 0, 0, msgspec.json.encode(fields))


MODULE = listing(
    license="(MIT OR Apache-2.0) AND GPL-3.0 WITH Classpath-exception-2.0",
    latest_version="2.0.0",
    versions=[
        {"version": "1.0.0", "wasm_size": 1, "imports": ["old.thing"], "capabilities": []},
        {
            "version": "2.0.0",
            "wasm_size": 70,
            "imports": ["env.memory", "./glue.js.call"],
            "capabilities": [
                {"name": "hash", "kind": "function", "signature": "(i32, i32) -> i32"},
                {"name": "memory", "kind": "memory", "signature": ""},
                {"name": "count", "kind": "global", "signature": "i64"},
            ],
        },
    ],
)


@pytest.mark.parametrize(
    "asked",
    ["hash", "function hash", "func hash", "hash(i32,i32)->i32", "hash ( i32, i32 ) -> (i32)",
     "function *", "memory", "memory memory", "memory *", "count: i64", "global count"],
)  # fmt: skip
def test_a_module_is_found_by_each_way_to_say_what_it_exports(asked: str) -> None:
    assert export_term(asked) in facts_of(MODULE).terms


@pytest.mark.parametrize("asked", ["env.memory", "env.*", "./glue.js.call", "./glue.js.*"])
def test_and_by_what_it_imports(asked: str) -> None:
    assert import_term(asked) in facts_of(MODULE).terms


@pytest.mark.parametrize("asked", ["old.thing", "old.*", "-"])
def test_only_the_latest_version_counts(asked: str) -> None:
    assert import_term(asked) not in facts_of(MODULE).terms


def test_what_else_is_read() -> None:
    facts = facts_of(MODULE)
    assert facts.licenses == ("apache-2.0", "gpl-3.0", "mit")
    assert (facts.size, facts.format, facts.fitness) == (70, "", None)
    genome = facts_of(listing(license="", format="rle", size=12, fitness_score=2.5))
    assert genome == Facts((), (), "rle", 12, 2.5)
    assert facts_of(listing(latest_version="1", versions=[{"version": "1"}])).terms == (
        "imports -",
    )
    assert facts_of(listing(size="of another kind")) == Facts()


@given(st.text(max_size=FILTER_CHARACTERS_MAX + 5))
def test_no_filter_raises_anything_else(text: str) -> None:
    for term in (export_term, import_term):
        with suppress(InvalidFilter):
            assert term(text).startswith(("exports ", "imports "))
