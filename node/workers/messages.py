"""What goes through the pipes of a child process: length-prefixed msgpack, decoded into one union.

    size (4 bytes, big-endian) | message

The parent writes one `Task`, the child answers with one `AnswerMessage`, in turn. Never pickle: a
child that a hostile module took over could send only what these types admit.
"""

from typing import BinaryIO, Literal

import msgspec

from registry.evaluation import Answer, Ending
from registry.wasm.verdict import Policy, Verdict

NumberType = Literal["i32", "i64", "f32", "f64"]

SIZE_BYTES = 4
MESSAGE_BYTES_MAX = 256 << 20  # 25 modules of 10 MiB; what the parent itself would hold


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The first word of a child: its engine stands."""


class Validate(msgspec.Struct, frozen=True, tag="validate"):
    wall_s: float
    wasm: bytes
    policy: Policy


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    verdict: Verdict


class Compile(msgspec.Struct, frozen=True, tag="compile"):
    wall_s: float
    wasm: bytes


class Compiled(msgspec.Struct, frozen=True, tag="compiled"):
    """Whether a valid module can also be compiled here; `code` is `ok` or why not."""

    ok: bool
    code: str
    detail: str


class Run(msgspec.Struct, frozen=True, tag="run", kw_only=True):
    """Call `export` of module `target`, linked with the others."""

    wall_s: float
    modules: tuple[tuple[str, bytes], ...]
    target: str
    export: str
    args: tuple[int | float, ...]
    types: tuple[str, ...]  # what the arguments were said to be of; "" or none: nothing
    fuel: int  # instructions, about
    memory_bytes: int  # of all memories together
    deadline_s: float  # of the call; compiling has its own bound


class Outcome(msgspec.Struct, frozen=True, tag="outcome", kw_only=True):
    """How a call ended. `fuel_used` is None where the engine no longer knows (a trap, a
    deadline).

    The caller's mistake: `wrong-arguments`, `wrong-limits`, `no-such-export`, `unsupported-type`,
    `too-large`. The modules': `invalid-wasm`, `not-compilable`, `unlinkable`, `not-instantiable`,
    `trap`, `exited`. What they were given ran out: `out-of-fuel`, `out-of-memory`, `deadline`.
    The child's end: `runner-died`, `runner-timeout`.
    """

    ok: bool
    code: str
    detail: str = ""
    results: tuple[int | float, ...] = ()
    types: tuple[NumberType, ...] = ()  # of the results, one each
    fuel_used: int | None = None
    duration_ms: float = 0.0
    memory_bytes: int = 0


class Evaluate(msgspec.Struct, frozen=True, tag="evaluate", kw_only=True):
    """Have the evaluator `wasm` judge a genome; within what, `registry.wasm.evaluator` says."""

    wall_s: float
    wasm: bytes
    genome: bytes
    seed: int
    ticks: int
    deadline_s: float


class Evaluated(msgspec.Struct, frozen=True, tag="evaluated", kw_only=True):
    """An answer that everybody gets (`ending`), or why this machine has none (`code`).

    The evaluator's fault: `not-an-evaluator`, `not-compilable`, `not-instantiable`. What was asked:
    `too-large`. This machine's: `deadline`, `stack-overflow`, `evaluator-died`,
    `evaluator-timeout`.
    """

    ending: Ending | None = None
    result: int | None = None
    fuel_used: int = 0
    """0 where the engine no longer knows."""
    code: str | None = None
    detail: str = ""
    cpu_ms: float = 0.0
    """What it took of a processor, compiling included."""

    @property
    def answer(self) -> Answer | None:
        return None if self.ending is None else Answer(self.ending, self.result)


Task = Validate | Compile | Run | Evaluate
AnswerMessage = Ready | Judged | Compiled | Outcome | Evaluated

encode = msgspec.msgpack.Encoder().encode
task_decoder: msgspec.msgpack.Decoder[Task] = msgspec.msgpack.Decoder(Task)
answer_decoder: msgspec.msgpack.Decoder[AnswerMessage] = msgspec.msgpack.Decoder(AnswerMessage)


def framed(message: bytes) -> bytes:
    assert len(message) <= MESSAGE_BYTES_MAX, "callers bound what they send"
    return len(message).to_bytes(SIZE_BYTES, "big") + message


def read_framed(pipe: BinaryIO) -> bytes | None:
    """The next message, or None where the other side has closed. Blocks."""
    head = pipe.read(SIZE_BYTES)
    if len(head) < SIZE_BYTES:
        return None
    size = int.from_bytes(head, "big")
    body = pipe.read(size)
    return body if len(body) == size else None
