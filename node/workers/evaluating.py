"""Judge a genome: an evaluator on an instance of its own. Runs only in a child process with limits.

What a genome, a seed and ticks give is the same everywhere, and so is how it fails: an `Evaluated`
with an ending. What only this machine cannot do (a clock, its memory, its stack) has a code
instead, and nobody signs it.
"""

import threading
import time

import wasmtime
from msgspec.structs import replace

from node.workers.execution import Exports, last_line
from node.workers.messages import Evaluate, Evaluated
from registry.evaluation import UNJUDGED, Ending
from registry.wasm.errors import Refused
from registry.wasm.evaluator import (
    ABI,
    FUEL,
    MEMORY_PAGES_MAX,
    TABLE_ELEMENTS_MAX,
    TABLES_MAX,
    evaluator_problem,
)
from registry.wasm.limits import PAGE_BYTES, Limits
from registry.wasm.sections import read_outline

ADDRESS_MASK = (1 << 32) - 1


class NotEvaluated(Exception):
    """No answer, and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def evaluate(engine: wasmtime.Engine, task: Evaluate, fuel: int = FUEL) -> Evaluated:
    """Never raises for anything in `task`."""
    start_s = time.process_time()
    try:
        module = compiled(engine, task.wasm)
        found = _run(engine, module, task, fuel)
    except NotEvaluated as error:
        found = Evaluated(code=error.code, detail=error.detail)
    return replace(found, cpu_ms=(time.process_time() - start_s) * 1_000)


def compiled(engine: wasmtime.Engine, wasm: bytes) -> wasmtime.Module:
    """Raises `NotEvaluated` for what is no evaluator: said before anything of it runs."""
    try:
        problem = evaluator_problem(read_outline(wasm, Limits()))
        if problem:
            raise NotEvaluated("not-an-evaluator", f"the module {problem}")
        return wasmtime.Module(engine, wasm)
    except Refused as refused:
        detail = f"{refused.detail} ({refused.where})"
        raise NotEvaluated("not-an-evaluator", f"the module {detail}") from refused
    except wasmtime.WasmtimeError as error:
        raise NotEvaluated("not-compilable", last_line(error)) from error


def _run(engine: wasmtime.Engine, module: wasmtime.Module, task: Evaluate, fuel: int) -> Evaluated:
    store = wasmtime.Store(engine)
    store.set_limits(
        memory_size=MEMORY_PAGES_MAX * PAGE_BYTES,
        table_elements=TABLE_ELEMENTS_MAX,
        instances=1,
        tables=TABLES_MAX,
        memories=1,
    )
    store.set_fuel(fuel)
    store.set_epoch_deadline(1)
    clock = threading.Timer(task.deadline_s, engine.increment_epoch)
    clock.start()
    try:
        result = _call(store, module, task)
    except wasmtime.Trap as trap:
        return _trapped(trap, fuel)
    except wasmtime.WasmtimeError as error:
        raise NotEvaluated("not-instantiable", last_line(error)) from error
    finally:
        clock.cancel()
        clock.join()  # a late tick would end the next evaluation
    used = fuel - store.get_fuel()
    if result == UNJUDGED:
        return Evaluated(ending="unjudged", fuel_used=used)
    return Evaluated(ending="result", result=result, fuel_used=used)


def _call(store: wasmtime.Store, module: wasmtime.Module, task: Evaluate) -> int:
    """The start function, if there is one, runs within the same bounds."""
    exports = wasmtime.Instance(store, module, []).exports(store)
    abi, alloc, judge = (_function(exports, name) for name in ("eval_abi", "alloc", "evaluate"))
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory), "the outline says so"
    if (version := abi(store)) != ABI:
        raise NotEvaluated("not-an-evaluator", f"the module has eval/{version}, not eval/{ABI}")
    at = int(alloc(store, len(task.genome))) & ADDRESS_MASK
    if at + len(task.genome) > memory.data_len(store):
        detail = f"the module gave no room for a genome of {len(task.genome):,} bytes"
        raise NotEvaluated("not-an-evaluator", detail)
    memory.write(store, task.genome, at)
    signed = at - (1 << 32) if at >> 31 else at
    return int(judge(store, signed, len(task.genome), task.seed, task.ticks))


def _function(exports: Exports, name: str) -> wasmtime.Func:
    function = exports[name]
    assert isinstance(function, wasmtime.Func), "the outline says so"
    return function


def _trapped(trap: wasmtime.Trap, fuel: int) -> Evaluated:
    """Frames differ between processors, and clocks between machines; all else is an answer."""
    match trap.trap_code:
        case wasmtime.TrapCode.OUT_OF_FUEL:
            return ended("out-of-fuel", "all the fuel it was given is spent", fuel_used=fuel)
        case wasmtime.TrapCode.INTERRUPT:
            raise NotEvaluated("deadline", "it was still running at its deadline")
        case wasmtime.TrapCode.STACK_OVERFLOW:
            raise NotEvaluated("stack-overflow", "it calls itself deeper than the stack here")
        case _:
            # Compiled code counts in a register, which a trap does not write back.
            return ended("trapped", last_line(trap).removeprefix("wasm trap: "))


def ended(ending: Ending, detail: str, fuel_used: int = 0) -> Evaluated:
    return Evaluated(ending=ending, detail=detail, fuel_used=fuel_used)
