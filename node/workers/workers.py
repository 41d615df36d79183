"""What the node asks of its children: is a module valid, does it compile, what does it do.

One child judges, one compiles and runs, one evaluates genomes, so that a slow run keeps no
publisher waiting. A child that dies or hangs gives a verdict or an outcome like any other answer,
never an exception.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from node.workers.messages import (
    MESSAGE_BYTES_MAX,
    Compile,
    Compiled,
    Evaluate,
    Evaluated,
    Judged,
    Outcome,
    Ready,
    Run,
    Task,
    Validate,
    answer_decoder,
    encode,
)
from node.workers.process import Died, TimedOut, Worker
from registry.errors import quoted
from registry.wasm.evaluator import EVALUATOR_BYTES_MAX, GENOME_BYTES_MAX
from registry.wasm.features import PINNED, checker, feature_digest
from registry.wasm.verdict import Policy, Verdict, refusal

ARGUMENT_MIN, ARGUMENT_MAX = -(1 << 63), (1 << 64) - 1  # an i64, signed or unsigned
ARGUMENTS_MAX = 1_000  # as many parameters as WebAssembly allows a function
FUEL_DEFAULT = 1_000_000_000  # about 10 s of plain arithmetic on the machines measured
FUEL_MAX = (1 << 63) - 1
MEMORY_BYTES_DEFAULT = 256 << 20
MEMORY_BYTES_MAX = 2 << 30  # half of what the runner may address: a memory that grows is copied
DEADLINE_S_MAX = 3_600.0  # longer work is a simulation, which has turns
ASKED_S = 0.001  # of a processor, to ask and to answer, whatever was asked
MESSAGE_OVERHEAD_BYTES = 1 << 20  # everything in a task but its modules


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Bounds of the children: wall clocks, and addresses (not resident memory)."""

    validate_s: float = 5.0  # known bombs validate in under 1 s
    compile_s: float = 60.0  # esbuild's 14 MB take 17 s on two shared cores
    start_s: float = 60.0  # Python and wasmtime start in 0.15 s, on a loaded machine in seconds
    validator_bytes: int = 1 << 30  # the dearest known module takes 256 MB to validate
    evaluate_s: float = 600.0  # all the fuel of an evaluation takes some minutes
    background_s: float = 120.0  # of what nobody waits for
    evaluator_bytes: int = 2 << 30  # its module is smaller, its memory bounded
    runner_bytes: int = 4 << 30  # compiling takes up to 2.4 GB for 4.5 MB of grammar tables


class Workers:
    """See `open_workers`."""

    def __init__(self, config: WorkerConfig) -> None:
        self.config = config
        self.checker = checker()
        self.features = feature_digest(PINNED)
        self._validator = Worker(
            "validator", address_bytes=config.validator_bytes, start_s=config.start_s
        )
        self._runner = Worker("runner", address_bytes=config.runner_bytes, start_s=config.start_s)
        # What a person waits for, and what the node does by itself, keep out of each other's way.
        self._evaluator, self._background = (
            Worker("evaluator", address_bytes=config.evaluator_bytes, start_s=config.start_s)
            for _ in range(2)
        )
        self.background_cpu_s = 0.0
        """What the evaluations that nobody waits for took of a processor, however they ended."""

    @property
    def pids(self) -> tuple[int | None, int | None]:
        """The validator's and the runner's process; None where it is not running."""
        return self._validator.pid, self._runner.pid

    async def close(self) -> None:
        await self._validator.close()
        await self._runner.close()
        await self._evaluator.close()
        await self._background.close()

    async def begin(self) -> None:
        """The children that judge and compile start, beside whatever comes before their tasks."""
        await self._validator.begin()
        await self._runner.begin()

    async def validate(self, wasm: bytes, policy: Policy | None = None) -> Verdict:
        """Judge without compiling. Raises nothing but cancellation."""
        policy = policy or Policy()
        if len(wasm) > policy.size_bytes_max:
            detail = f"{len(wasm):,} bytes, at most {policy.size_bytes_max:,}"
            return await self._refusal(wasm, "too-large", detail)
        wall_s = self.config.validate_s
        answer = await ask(self._validator, Validate(wall_s, wasm, policy), wall_s)
        match answer:
            case Judged(verdict):
                return verdict
            case TimedOut(detail):
                return await self._refusal(wasm, "validator-timeout", detail)
            case Died(detail):
                return await self._refusal(wasm, "validator-died", detail)
            case _:
                return await self._refusal(wasm, "validator-died", "a wrong answer")

    async def compile(self, wasm: bytes) -> Compiled:
        """Whether a module that is valid also compiles here: what an install asks."""
        wall_s = self.config.compile_s
        answer = await ask(self._runner, Compile(wall_s, wasm), wall_s)
        match answer:
            case Compiled():
                return answer
            case TimedOut(detail):
                return Compiled(False, "compiler-timeout", detail)
            case Died(detail):
                return Compiled(False, "compiler-died", detail)
            case _:
                return Compiled(False, "compiler-died", "a wrong answer")

    async def run(
        self,
        modules: Sequence[tuple[str, bytes]],
        export: str,
        args: Sequence[int | float] = (),
        *,
        types: Sequence[str] = (),
        target: str | None = None,
        fuel: int = FUEL_DEFAULT,
        memory_bytes: int = MEMORY_BYTES_DEFAULT,
        deadline_s: float = 10.0,
    ) -> Outcome:
        """Link `modules` by their ids, in any order, and call `export` of `target`.

        `target` is the last of `modules` unless named; `types` are what `args` were said to be,
        as far as anything was said. Raises nothing but cancellation.
        """
        target = target or (modules[-1][0] if modules else "")
        unusable = unfit(modules, target, export, args)
        if refused := unusable or unlimited(fuel, memory_bytes, deadline_s):
            return refused
        wall_s = self.config.compile_s + deadline_s
        task = Run(
            wall_s=wall_s,
            modules=tuple(modules),
            target=target,
            export=export,
            args=tuple(args),
            types=tuple(types),
            fuel=fuel,
            memory_bytes=memory_bytes,
            deadline_s=deadline_s,
        )
        answer = await ask(self._runner, task, wall_s)
        match answer:
            case Outcome() if len(answer.types) == len(answer.results):
                return answer
            case TimedOut(detail):
                return Outcome(ok=False, code="runner-timeout", detail=detail)
            case Died(detail):
                return Outcome(ok=False, code="runner-died", detail=detail)
            case _:
                return Outcome(ok=False, code="runner-died", detail="a wrong answer")

    async def evaluate(
        self,
        wasm: bytes,
        genome: bytes,
        *,
        seed: int,
        ticks: int,
        deadline_s: float | None = None,
        is_background: bool = False,
    ) -> Evaluated:
        """Have an evaluator judge a genome, one after the other. Raises nothing but cancellation,
        which ends the child.
        """
        config = self.config
        worker = self._background if is_background else self._evaluator
        if len(genome) > GENOME_BYTES_MAX:
            detail = f"the genome has {len(genome):,} bytes, at most {GENOME_BYTES_MAX:,}"
            return Evaluated(code="too-large", detail=detail)
        if len(wasm) > EVALUATOR_BYTES_MAX:
            detail = f"the evaluator has {len(wasm):,} bytes, at most {EVALUATOR_BYTES_MAX:,}"
            return Evaluated(code="too-large", detail=detail)
        if deadline_s is None:
            deadline_s = config.background_s if is_background else config.evaluate_s
        wall_s = self.config.compile_s + deadline_s
        task = Evaluate(
            wall_s=wall_s, wasm=wasm, genome=genome, seed=seed, ticks=ticks, deadline_s=deadline_s
        )
        start_s = time.perf_counter()
        found = evaluated(await ask(worker, task, wall_s), time.perf_counter() - start_s)
        if is_background:
            self.background_cpu_s += found.cpu_ms / 1_000 + ASKED_S
        return found

    async def _refusal(self, wasm: bytes, code: str, detail: str) -> Verdict:
        return await asyncio.to_thread(
            refusal, wasm, code, detail, checker=self.checker, features=self.features
        )


@asynccontextmanager
async def open_workers(config: WorkerConfig | None = None) -> AsyncGenerator[Workers]:
    """Children of this process, ended with the block. Each starts with its first task."""
    workers = Workers(config or WorkerConfig())
    try:
        yield workers
    finally:
        await workers.close()


async def ask(
    worker: Worker, task: Task, wall_s: float
) -> Judged | Compiled | Outcome | Evaluated | Died | TimedOut:
    """Encoding copies megabytes, but no more than a memcpy: it stays in the loop."""
    answer = await worker.ask(encode(task), wall_s=wall_s)
    if not isinstance(answer, bytes):
        return answer
    try:
        decoded = answer_decoder.decode(answer)
    except msgspec.DecodeError as error:
        return Died(f"the {worker.role} answered what cannot be read: {error}")
    return (
        Died(f"the {worker.role} answered out of turn") if isinstance(decoded, Ready) else decoded
    )


def evaluated(answer: object, wall_s: float) -> Evaluated:
    """A child that ended cannot say what it took: as much as the clock said, at the most."""
    match answer:
        case Evaluated():
            return answer
        case TimedOut(detail):
            code = "evaluator-timeout"
        case Died(detail):
            code = "evaluator-died"
        case _:
            code, detail = "evaluator-died", "a wrong answer"
    return Evaluated(code=code, detail=detail, cpu_ms=wall_s * 1_000)


def unfit(
    modules: Sequence[tuple[str, bytes]], target: str, export: str, args: Sequence[int | float]
) -> Outcome | None:
    """What cannot even be sent to a child."""
    if target not in {id for id, _ in modules}:
        return Outcome(ok=False, code="unlinkable", detail=f"{target!r} is not among the modules")
    if sum(len(wasm) for _, wasm in modules) > MESSAGE_BYTES_MAX - MESSAGE_OVERHEAD_BYTES:
        detail = f"the modules have over {MESSAGE_BYTES_MAX >> 20} MiB together"
        return Outcome(ok=False, code="too-large", detail=detail)
    for text in (export, *(id for id, _ in modules)):
        if not is_utf8(text):
            detail = f"{quoted(text)} is no name: it has half a character"
            return Outcome(ok=False, code="no-such-export", detail=detail)
    if len(args) > ARGUMENTS_MAX:
        detail = f"{len(args)} arguments, at most {ARGUMENTS_MAX}"
        return Outcome(ok=False, code="wrong-arguments", detail=detail)
    for number, arg in enumerate(args):
        if type(arg) not in (int, float):  # a bool, say
            detail = f"argument {number + 1} ({quoted(str(arg))}) is no number"
            return Outcome(ok=False, code="wrong-arguments", detail=detail)
        if isinstance(arg, int) and not ARGUMENT_MIN <= arg <= ARGUMENT_MAX:
            detail = f"argument {number + 1} has over 64 bits"
            return Outcome(ok=False, code="wrong-arguments", detail=detail)
    return None


def is_utf8(text: str) -> bool:
    """Whether it can be sent at all; a shell hands on other bytes as half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unlimited(fuel: int, memory_bytes: int, deadline_s: float) -> Outcome | None:
    """Limits that are none. A deadline that is no number compares false and is caught as well."""
    if not 0 <= fuel <= FUEL_MAX:
        detail = f"fuel of {fuel}, but 0 to {FUEL_MAX}"
    elif not 0 <= memory_bytes <= MEMORY_BYTES_MAX:
        detail = f"{memory_bytes} bytes of memory, but 0 to {MEMORY_BYTES_MAX}"
    elif not 0 < deadline_s <= DEADLINE_S_MAX:
        detail = f"a deadline of {deadline_s} s, but over 0 to {DEADLINE_S_MAX:g}"
    else:
        return None
    return Outcome(ok=False, code="wrong-limits", detail=detail)
