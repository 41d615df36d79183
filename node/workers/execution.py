"""Compile, link and call modules. Runs only in a child process with limits.

Every call gets a fresh store: fuel counts instructions, a timer ends what fuel does not measure,
memories stay within their share, and nothing outlives the call. Results are the same bits on every
processor (NaN is canonical, no threads, no relaxed SIMD); only the stack's depth is the engine's.
"""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import wasmtime

from node.workers.messages import Compiled, NumberType, Outcome, Run
from registry.errors import quoted
from registry.wasm.engine import metered_configuration
from registry.wasm.errors import Refused, Unlinkable
from registry.wasm.limits import Limits
from registry.wasm.link import Linked, LinkPlan, plan_links
from registry.wasm.sections import Outline, read_outline

TABLE_ELEMENTS_MAX = 100_000  # of one table; 16 bytes each. Compilers make one a few thousand long
TABLES_MAX = 100
OK = "ok"
INTEGER_BITS: Mapping[str, int] = {"i32": 32, "i64": 64}
FLOATS = ("f32", "f64")
NUMBERS: tuple[NumberType, ...] = ("i32", "i64", "f32", "f64")
EXPORTS_SHOWN_MAX = 10  # in a message
F32_MAX = math.ldexp(2 - 2**-24, 127)  # from here on a number rounds to infinity
WASI = "wasi_snapshot_preview1"
NOT_SUPPORTED = 58  # WASI's errno
# wasmtime-py keeps this union to itself
Extern = (
    wasmtime.Func
    | wasmtime.Table
    | wasmtime.Memory
    | wasmtime.SharedMemory
    | wasmtime.Global
    | wasmtime.Tag
)
Exports = Mapping[str, Extern]


class Failed(Exception):
    """A call that ends in an `Outcome` of its own, not in results."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Executor:
    """One engine for the life of the process."""

    engine: wasmtime.Engine

    @classmethod
    def open(cls) -> "Executor":
        return cls(wasmtime.Engine(metered_configuration()))

    def compile(self, wasm: bytes) -> Compiled:
        try:
            read_outline(wasm, Limits())
            wasmtime.Module(self.engine, wasm)
        except Refused as refused:
            return Compiled(False, refused.reason, f"{refused.detail} ({refused.where})")
        except wasmtime.WasmtimeError as error:
            return Compiled(False, "not-compilable", last_line(error))
        return Compiled(True, OK, "")

    def run(self, task: Run) -> Outcome:
        """Never raises for anything in `task`."""
        try:
            outlines = [(id, outlined(id, wasm)) for id, wasm in task.modules]
            plan = plan_links(outlines)
            modules = {id: self._compiled(id, wasm) for id, wasm in task.modules}
        except Failed as failed:
            return Outcome(ok=False, code=failed.code, detail=failed.detail)
        except Unlinkable as error:
            return Outcome(ok=False, code="unlinkable", detail=error.detail)
        return Call(self.engine, task, plan, modules, dict(outlines)).outcome()

    def _compiled(self, id: str, wasm: bytes) -> wasmtime.Module:
        try:
            return wasmtime.Module(self.engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise Failed("not-compilable", f"{quoted(id)}: {last_line(error)}") from error


def outlined(id: str, wasm: bytes) -> Outline:
    try:
        return read_outline(wasm, Limits())
    except Refused as refused:
        detail = f"{quoted(id)}: {refused.detail} ({refused.where})"
        raise Failed("invalid-wasm", detail) from refused


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a store of its own."""

    engine: wasmtime.Engine
    task: Run
    plan: LinkPlan
    modules: Mapping[str, wasmtime.Module]
    outlines: Mapping[str, Outline]

    def outcome(self) -> Outcome:
        store, memories = self._store(), list[wasmtime.Memory]()
        clock = threading.Timer(self.task.deadline_s, self.engine.increment_epoch)
        start = time.perf_counter()
        clock.start()
        try:
            code, detail, results = OK, "", self._results(store, memories)
        except Failed as failed:
            code, detail, results = failed.code, failed.detail, ()
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            code, detail = explained(error)
            results = ()
        finally:
            clock.cancel()
            clock.join()  # a late tick would end the next call
        return Outcome(
            ok=code == OK,
            code=code,
            detail=detail,
            results=results,
            types=self._types() if results else (),
            # Compiled code counts in a register, which neither a trap nor a deadline writes back.
            fuel_used=None if code in ("deadline", "trap") else self.task.fuel - store.get_fuel(),
            duration_ms=(time.perf_counter() - start) * 1_000,
            memory_bytes=sum(memory.data_len(store) for memory in memories),
        )

    def _store(self) -> wasmtime.Store:
        """The engine bounds each memory, so all get an even share of what is allowed in sum."""
        count = sum(memories_made(linked, self.outlines[linked.id]) for linked in self.plan.order)
        store = wasmtime.Store(self.engine)
        store.set_limits(
            memory_size=self.task.memory_bytes // max(1, count),
            table_elements=TABLE_ELEMENTS_MAX,
            instances=len(self.plan.order),
            tables=TABLES_MAX,
            memories=count,
        )
        store.set_fuel(self.task.fuel)
        store.set_epoch_deadline(1)
        store.set_wasi(wasmtime.WasiConfig())  # no file, argument, variable or stream
        return store

    def _results(
        self, store: wasmtime.Store, memories: list[wasmtime.Memory]
    ) -> tuple[int | float, ...]:
        """Instantiate in the plan's order, then call."""
        host = self._host()
        made: dict[str, Exports] = {}
        for linked in self.plan.order:
            module = self.modules[linked.id]
            given = [self._given(store, host, linked, made, each) for each in module.imports]
            made[linked.id] = wasmtime.Instance(store, module, given).exports(store)
            if memories_made(linked, self.outlines[linked.id]):
                seen = [*given, *made[linked.id].values()]
                memories += [each for each in seen if isinstance(each, wasmtime.Memory)][:1]
        return self._call(store, made[self.task.target])

    def _host(self) -> wasmtime.Linker:
        """WASI but for its sleep: the engine stops no call that waits in the host."""
        host = wasmtime.Linker(self.engine)
        host.define_wasi()
        host.allow_shadowing = True
        i32 = wasmtime.ValType.i32()
        type = wasmtime.FuncType([i32] * 4, [wasmtime.ValType.i32()])
        host.define_func(WASI, "poll_oneoff", type, lambda *_: NOT_SUPPORTED)
        return host

    def _given(
        self,
        store: wasmtime.Store,
        host: wasmtime.Linker,
        linked: Linked,
        made: Mapping[str, Exports],
        wanted: wasmtime.ImportType,
    ) -> Extern:
        """What the plan says, or what the host offers: memory of the importer's own, and WASI."""
        name = wanted.name or ""
        if wanted.module in linked.givers:
            return made[linked.givers[wanted.module]][name]
        if isinstance(wanted.type, wasmtime.MemoryType):
            return wasmtime.Memory(store, wanted.type)
        try:
            return host.get(store, wanted.module, name)
        except wasmtime.WasmtimeError as error:
            detail = f"{quoted(linked.id)} imports {quoted(name)} of {quoted(wanted.module)}"
            raise Failed("unlinkable", f"{detail}, which this node does not offer") from error

    def _call(self, store: wasmtime.Store, exports: Exports) -> tuple[int | float, ...]:
        outline = self.outlines[self.task.target]
        signature = outline.signatures.get(self.task.export)
        if signature is None:
            offered = ", ".join(list(outline.signatures)[:EXPORTS_SHOWN_MAX]) or "nothing"
            detail = f"{quoted(self.task.target)} exports no function {quoted(self.task.export)}"
            raise Failed("no-such-export", f"{detail}, but {offered}")
        # Asked of the outline: wasmtime-py 50 aborts the process when it is to name a v128.
        if unknown := [each for each in signature.results if each not in NUMBERS]:
            raise Failed("unsupported-type", f"a result of type {unknown[0]} cannot be shown")
        args = converted(self.task.args, signature.params, self.task.types)
        function = exports[self.task.export]
        assert isinstance(function, wasmtime.Func), "the outline says so"
        answer = function(store, *args)
        return (answer,) if len(signature.results) == 1 else tuple(answer or ())

    def _types(self) -> tuple[NumberType, ...]:
        """Of the results of a call that ended well."""
        found = self.outlines[self.task.target].signatures[self.task.export].results
        return tuple(type for each in found for type in NUMBERS if type == each)


def memories_made(linked: Linked, outline: Outline) -> int:
    """How many memories instantiating makes: all but those another module gives."""
    imported = sum(
        each.kind == "memory" and each.module in linked.givers for each in outline.imports
    )
    return len(outline.memories) - imported


def converted(
    args: Sequence[int | float], types: Sequence[str], given: Sequence[str]
) -> list[int | float]:
    """Numbers as the parameters want them; raises `Failed` for what is out of their range, or was
    given as of another type.
    """
    if len(args) != len(types):
        wanted = f"({', '.join(types)})"
        raise Failed("wrong-arguments", f"{len(args)} arguments given, the export takes {wanted}")
    for number, (said, type) in enumerate(zip(given, types, strict=False), start=1):
        if said not in ("", type):
            raise Failed("wrong-arguments", f"argument {number} is of {quoted(said)}, not {type}")
    return [
        argument(number, value, type)
        for number, (value, type) in enumerate(zip(args, types, strict=True), start=1)
    ]


def argument(number: int, value: int | float, type: str) -> int | float:
    """Integers may be given as signed or as unsigned; a float takes the nearest it can hold."""
    if type in FLOATS:
        if type == "f32" and F32_MAX <= abs(value) < math.inf:
            raise Failed("wrong-arguments", f"argument {number} ({value}) is no f32")
        return float(value)
    bits = INTEGER_BITS.get(type)
    if bits is None:
        raise Failed("unsupported-type", f"argument {number} is a {type}, not a number")
    if not isinstance(value, int) or not -(1 << bits - 1) <= value < 1 << bits:
        raise Failed("wrong-arguments", f"argument {number} ({value}) is no {type}")
    return value - (1 << bits) if value >= 1 << bits - 1 else value


def explained(error: wasmtime.Trap | wasmtime.WasmtimeError) -> tuple[str, str]:
    """A code and a sentence for how a call ended."""
    detail = last_line(error)
    if isinstance(error, wasmtime.ExitTrap):
        return (OK, "") if error.code == 0 else ("exited", f"the program exited with {error.code}")
    if isinstance(error, wasmtime.Trap):
        match error.trap_code:
            case wasmtime.TrapCode.OUT_OF_FUEL:
                return "out-of-fuel", "all the fuel it was given is spent"
            case wasmtime.TrapCode.INTERRUPT:
                return "deadline", "it was still running at its deadline"
            case _:
                return "trap", detail.removeprefix("wasm trap: ")
    # wasmtime has no codes here; these are the ways it says so.
    if "invalid exit status" in detail:
        return "exited", "the program exited with a status that is none (0 to 125)"
    if "exceeds memory limits" in detail or "exceeds table limits" in detail:
        return "out-of-memory", detail
    return "unlinkable" if "types incompatible" in detail else "not-instantiable", detail


def last_line(error: Exception) -> str:
    """wasmtime's messages end with the cause, after a backtrace."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
