"""Evaluators of all kinds, in a child: one answer for one question, whatever the module tries."""

import pytest
import wasmtime

from node.workers.evaluating import evaluate
from node.workers.execution import Executor
from node.workers.messages import Evaluate, Evaluated
from node.workers.process import Died, TimedOut
from node.workers.workers import ASKED_S, Workers, evaluated
from registry.evaluation import INTEGER_MAX, UNJUDGED, Answer
from registry.wasm.evaluator import (
    EVALUATOR_BYTES_MAX,
    GENOME_BYTES_MAX,
    TABLE_ELEMENTS_MAX,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABI = '(func (export "eval_abi") (result i32) (i32.const 1))'
ALLOC = '(func (export "alloc") (param i32) (result i32) (i32.const 1024))'
MEMORY = '(memory (export "memory") 2 2)'
JUDGE = (
    '(func (export "evaluate") (param $at i32) (param $size i32) (param $seed i64)'
    " (param $ticks i64) (result i64) {})"
)


def module(
    body: str, *, abi: str = ABI, alloc: str = ALLOC, memory: str = MEMORY, more: str = ""
) -> bytes:
    text = f"(module {memory} {abi} {alloc} {JUDGE.format(body)} {more})"
    return bytes(wasmtime.wat2wasm(text))


# The first byte of the genome, and what it was asked.
PLAIN = module(
    "(i64.add (i64.mul (i64.load8_u (local.get $at)) (local.get $ticks)) (local.get $seed))"
)


async def ask(
    workers: Workers, wasm: bytes, genome: bytes = b"\x07", seed: int = 3, ticks: int = 100
) -> Evaluated:
    return await workers.evaluate(wasm, genome, seed=seed, ticks=ticks)


async def test_a_result_is_the_same_each_time(workers: Workers) -> None:
    first, again = await ask(workers, PLAIN), await ask(workers, PLAIN)
    assert first.answer == Answer("result", 703)
    assert (first.answer, first.fuel_used, first.code) == (again.answer, again.fuel_used, None)
    assert 0 < first.fuel_used < 100
    assert (await ask(workers, PLAIN, seed=-5)).result == 695
    assert (await ask(workers, PLAIN, ticks=INTEGER_MAX, seed=0)).result is not None


async def test_nothing_is_left_of_the_evaluation_before(workers: Workers) -> None:
    counts = module(
        "(global.set $n (i64.add (global.get $n) (i64.const 1)))"
        "(i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))"
        "(i64.add (global.get $n) (i64.load (i32.const 8)))",
        more="(global $n (mut i64) (i64.const 0))",
    )
    assert [(await ask(workers, counts)).result for _ in range(2)] == [2, 2]


async def test_a_genome_that_it_cannot_judge(workers: Workers) -> None:
    found = await ask(workers, module(f"(i64.const {UNJUDGED})"))
    assert (found.answer, found.code) == (Answer("unjudged"), None)


async def test_a_trap_is_an_answer(workers: Workers) -> None:
    found = await ask(workers, module("(unreachable)"))
    assert (found.answer, found.code) == (Answer("trapped"), None)
    far = module("(i64.load (i32.add (local.get $at) (i32.const 131072)))")
    assert (await ask(workers, far)).answer == Answer("trapped")


async def test_a_nan_has_the_same_bits_everywhere(workers: Workers) -> None:
    zero = "(f64.convert_i64_s (i64.sub (local.get $seed) (local.get $seed)))"
    divided = module(f"(i64.reinterpret_f64 (f64.div {zero} {zero}))")
    assert (await ask(workers, divided)).result == 0x7FF8000000000000


async def test_what_calls_itself_for_ever_is_this_machines_trouble(workers: Workers) -> None:
    deep = module(
        "(call $again (local.get $seed))",
        more="(func $again (param i64) (result i64)"
        " (i64.add (call $again (local.get 0)) (i64.const 1)))",
    )
    found = await ask(workers, deep)
    assert (found.answer, found.code) == (None, "stack-overflow")


async def test_an_endless_loop_is_ended_by_the_clock(workers: Workers) -> None:
    found = await workers.evaluate(
        module("(loop (br 0)) (unreachable)"), b"", seed=0, ticks=0, deadline_s=0.2
    )
    assert (found.answer, found.code) == (None, "deadline")
    assert (await ask(workers, PLAIN)).answer == Answer("result", 703), "and the child goes on"


async def test_what_it_took_is_counted_however_it_ended(workers: Workers) -> None:
    took: list[float] = []
    for wasm in (
        PLAIN,
        module("(unreachable)"),
        module("(loop (br 0)) (unreachable)"),
        b"(module)",
    ):
        before_s = workers.background_cpu_s
        found = await workers.evaluate(
            wasm, b"", seed=0, ticks=0, deadline_s=0.2, is_background=True
        )
        took.append(workers.background_cpu_s - before_s)
        assert took[-1] == pytest.approx(found.cpu_ms / 1_000 + ASKED_S)
    assert min(took) > 0
    before_s = workers.background_cpu_s
    await workers.evaluate(PLAIN, b"", seed=0, ticks=0)
    assert workers.background_cpu_s == before_s, "somebody waited for that one"
    for gone in (Died("killed"), TimedOut("over 7 s")):
        assert evaluated(gone, 7.0).cpu_ms == 7_000


NO_MEMORY = "(memory 1 1)"
GROWS = '(memory (export "memory") 1 2)'
ENDLESS = '(memory (export "memory") 1)'
LARGE = '(memory (export "memory") 1025 1025)'
IMPORT = '(import "env" "f" (func)) ' + MEMORY
WRONG_ABI = '(func (export "eval_abi") (result i64) (i64.const 1))'
OTHER_ABI = '(func (export "eval_abi") (result i32) (i32.const 2))'
FAR_ALLOC = '(func (export "alloc") (param i32) (result i32) (i32.const -8))'


@pytest.mark.parametrize(
    ("wasm", "said"),
    [
        (module("(i64.const 1)", memory=NO_MEMORY), "exports no memory"),
        (module("(i64.const 1)", memory=GROWS), "grows up to 2"),
        (module("(i64.const 1)", memory=ENDLESS), "grows without end"),
        (module("(i64.const 1)", memory=LARGE), "1025 pages, at most 1024"),
        (module("(i64.const 1)", memory=IMPORT), "imports nothing"),
        (module("(i64.const 1)", abi=""), "no function 'eval_abi'"),
        (module("(i64.const 1)", abi=WRONG_ABI), "eval_abi() -> i64"),
        (module("(i64.const 1)", alloc=""), "no function 'alloc'"),
        (module("(i64.const 1)", abi=OTHER_ABI), "eval/2, not eval/1"),
        (module("(i64.const 1)", alloc=FAR_ALLOC), "no room for a genome of 1,000"),
        (b"(module)", "not with"),
        (b"", "is empty"),
        (PLAIN[:-1], ""),
        (PLAIN + bytes(EVALUATOR_BYTES_MAX), "at most 4,194,304"),
    ],
)
async def test_what_is_no_evaluator_is_said(workers: Workers, wasm: bytes, said: str) -> None:
    found = await ask(workers, wasm, bytes(1_000))
    assert found.answer is None
    assert found.code in ("not-an-evaluator", "not-compilable", "too-large")
    assert said in found.detail


async def test_memory_does_not_grow(workers: Workers) -> None:
    grows = module("(i64.extend_i32_s (memory.grow (i32.const 1)))")
    assert (await ask(workers, grows)).result == -1


async def test_a_table_grows_as_far_everywhere(workers: Workers) -> None:
    """Not until memory ends, which would be at another place on each machine."""
    grown = "(i64.extend_i32_s (table.grow $t (ref.null func) (i32.const {})))"
    for by, gives in ((TABLE_ELEMENTS_MAX, 0), (TABLE_ELEMENTS_MAX + 1, -1), (1 << 30, -1)):
        found = await ask(workers, module(grown.format(by), more="(table $t 0 funcref)"))
        assert found.result == gives
    two = module("(i64.const 1)", more="(table 1 funcref) (table 1 funcref)")
    large = module("(i64.const 1)", more=f"(table {TABLE_ELEMENTS_MAX + 1} funcref)")
    for wasm in (two, large):
        assert (await ask(workers, wasm)).code == "not-instantiable"


async def test_a_start_function_runs_within_the_same_bounds(workers: Workers) -> None:
    spins = module("(i64.const 1)", more="(start $s) (func $s (loop (br 0)))")
    found = await workers.evaluate(spins, b"", seed=0, ticks=0, deadline_s=0.2)
    assert found.code == "deadline"


async def test_a_genome_has_an_end(workers: Workers) -> None:
    found = await ask(workers, PLAIN, bytes(GENOME_BYTES_MAX + 1))
    assert (found.answer, found.code) == (None, "too-large")
    roomy = module(
        "(i64.extend_i32_u (local.get $size))", memory='(memory (export "memory") 1024 1024)'
    )
    assert (await ask(workers, roomy, bytes(GENOME_BYTES_MAX))).result == GENOME_BYTES_MAX


async def test_fuel_that_runs_out_is_an_answer() -> None:
    """With a thousand instructions here: the twenty billion of the ABI take minutes."""
    loop = module("(loop (br 0)) (unreachable)")
    task = Evaluate(wall_s=60, wasm=loop, genome=b"", seed=0, ticks=0, deadline_s=60)
    found = evaluate(Executor.open().engine, task, 1_000)
    assert (found.answer, found.code, found.fuel_used) == (Answer("out-of-fuel"), None, 1_000)
