"""Planning how modules are linked: order, givers, and every way it cannot be done."""

import pytest
import wasmtime

from registry.wasm.errors import Unlinkable
from registry.wasm.limits import Limits
from registry.wasm.link import MODULES_MAX, plan_links
from registry.wasm.sections import Outline, read_outline

ALICE, BOB = "did:key:z6MkAlice", "did:key:z6MkBob"


def outline(wat: str) -> Outline:
    return read_outline(bytes(wasmtime.wat2wasm(f"(module {wat})")), Limits())


RNG = outline('(func (export "next") (result i64) (i64.const 4)) (memory (export "memory") 1)')
LIFE = outline('(import "rng" "next" (func (result i64))) (func (export "step"))')
CENSUS = outline('(import "life" "step" (func)) (import "rng" "next" (func (result i64)))')


def test_dependencies_come_first_whatever_the_order_given() -> None:
    for modules in (
        [("census", CENSUS), ("life", LIFE), ("rng", RNG)],
        [("rng", RNG), ("census", CENSUS), ("life", LIFE)],
    ):
        plan = plan_links(modules)
        assert [linked.id for linked in plan.order] == ["rng", "life", "census"]
        assert plan.order[2].givers == {"life": "life", "rng": "rng"}


def test_a_bare_name_means_the_same_author_first() -> None:
    plan = plan_links([(f"{ALICE}/rng", RNG), (f"{BOB}/rng", RNG), (f"{ALICE}/life", LIFE)])
    assert plan.order[-1].givers == {"rng": f"{ALICE}/rng"}


def test_a_bare_name_finds_the_only_module_of_it() -> None:
    plan = plan_links([(f"{BOB}/rng", RNG), (f"{ALICE}/life", LIFE)])
    assert plan.order[-1].givers == {"rng": f"{BOB}/rng"}


def test_the_host_gives_memory_and_wasi() -> None:
    host = outline(
        """(import "env" "memory" (memory 1))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"""
    )
    assert plan_links([("a", host)]).order[0].givers == {}


@pytest.mark.parametrize(
    ("modules", "reason", "detail"),
    [
        ([("life", LIFE)], "import-not-found", "'life' imports 'next' of 'rng': neither"),
        (
            [("rng", outline("")), ("life", LIFE)],
            "import-not-found",
            "'life' imports function 'next' of 'rng', which has no export of that name",
        ),
        (
            [("rng", outline('(memory (export "next") 1)')), ("life", LIFE)],
            "import-mismatch",
            "which is a memory there",
        ),
        (
            [("rng", outline('(func (export "next") (result i32) (i32.const 4))')), ("life", LIFE)],
            "import-mismatch",
            "as () -> i64, but there it is () -> i32",
        ),
        (
            [(f"{ALICE}/rng", RNG), (f"{BOB}/rng", RNG), ("life", LIFE)],
            "ambiguous-import",
            f"{ALICE}/rng, {BOB}/rng",
        ),
        ([("rng", RNG), ("rng", RNG)], "duplicate-module", "'rng' is given twice"),
        (
            [
                ("a", outline('(import "b" "f" (func)) (func (export "f"))')),
                ("b", outline('(import "a" "f" (func)) (func (export "f"))')),
            ],
            "import-cycle",
            "a → b → a",
        ),
        (
            [(str(number), outline("")) for number in range(MODULES_MAX + 1)],
            "too-many-modules",
            "at most 256",
        ),
    ],
)
def test_what_cannot_be_linked(
    modules: list[tuple[str, Outline]], reason: str, detail: str
) -> None:
    with pytest.raises(Unlinkable) as caught:
        plan_links(modules)
    assert caught.value.reason == reason
    assert detail in caught.value.detail.replace("b → a → b", "a → b → a")
