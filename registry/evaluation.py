"""An evaluation: one question that has one answer on every machine, and the answers it may have.

```
evaluation = canonical CBOR {
  "type": "panspermia.evaluation/1",
  "genome": BLAKE3 of its original bytes, "evaluator": BLAKE3 of its module's bytes,
  "seed": i64, "ticks": 0 to 2^63 - 1
}
id = BLAKE3 of it
```
Only what decides the answer is in it. What the evaluator is called, and who published it, are words
beside it: else two people who run the same bytes could neither agree nor contradict each other.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import blake3
import msgspec

from crdt import cbor
from crdt.digest import DIGEST_BYTES
from registry.errors import InvalidEvaluation, quoted
from registry.wire import decoded

TYPE: Final = "panspermia.evaluation/1"
EVALUATION_BYTES_MAX: Final = 256
"""The longest one takes 144."""
INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1
UNJUDGED: Final = INTEGER_MIN
"""What an evaluator gives for a genome that it cannot judge."""

Ending: TypeAlias = Literal["result", "unjudged", "trapped", "out-of-fuel"]
"""How an evaluation ends, wherever it is run. What depends on the machine (a clock, memory that the
machine has not got, a stack) is no answer, and nobody signs it."""
ENDINGS: Final[tuple[Ending, ...]] = get_args(Ending)


STANDARD_SEED, STANDARD_TICKS = 0, 1_000
"""What is asked where nobody says: the one question by which genomes are compared."""


class Answer(msgspec.Struct, frozen=True, order=True):
    """How it ended, and with what: `result` is None unless it ended with one."""

    ending: Ending
    result: int | None = None

    @property
    def decides(self) -> bool:
        """Whether it is the same everywhere: how much fuel something takes each engine counts in
        its own way.
        """
        return self.ending != "out-of-fuel"

    def __str__(self) -> str:
        return str(self.result) if self.ending == "result" else self.ending


@dataclass(frozen=True, slots=True, order=True)
class Evaluation:
    """A genome judged by an evaluator, from a seed, over so many ticks."""

    genome: bytes
    evaluator: bytes
    seed: int
    ticks: int

    @property
    def id(self) -> bytes:
        """What names it, everywhere: 32 bytes."""
        return blake3.blake3(encode_evaluation(self)).digest()


def answer_of(ending: str, result: int | None) -> Answer:
    """Raises `InvalidEvaluation` for what no evaluator can have said."""
    for known in ENDINGS:
        if ending == known:
            break
    else:
        raise InvalidEvaluation(f"an evaluation does not end with {quoted(ending)}")
    if (known == "result") != (result is not None):
        raise InvalidEvaluation("a result belongs to what ended with one, and to nothing else")
    if result is not None and not UNJUDGED < result <= INTEGER_MAX:
        raise InvalidEvaluation(f"{result} is no result: results are over -2^63 and below 2^63")
    return Answer(known, result)


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """Raises `InvalidEvaluation` for one that would not be read back."""
    _check(evaluation)
    return cbor.encode(
        {
            "type": TYPE,
            "genome": evaluation.genome,
            "evaluator": evaluation.evaluator,
            "seed": evaluation.seed,
            "ticks": evaluation.ticks,
        }
    )


def decode_evaluation(data: bytes) -> Evaluation:
    """Raises `InvalidEvaluation` for anything that is not exactly one."""
    wire = decoded(
        data, _Wire, InvalidEvaluation, "not an evaluation", bytes_max=EVALUATION_BYTES_MAX
    )
    if wire.type != TYPE:
        raise InvalidEvaluation(f"an evaluation of type {quoted(wire.type)}, not {TYPE}")
    evaluation = Evaluation(wire.genome, wire.evaluator, wire.seed, wire.ticks)
    _check(evaluation)
    return evaluation


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    genome: bytes
    evaluator: bytes
    seed: int
    ticks: int


def _check(evaluation: Evaluation) -> None:
    if {len(evaluation.genome), len(evaluation.evaluator)} != {DIGEST_BYTES}:
        raise InvalidEvaluation(f"a genome and an evaluator are named by {DIGEST_BYTES} bytes each")
    if not INTEGER_MIN <= evaluation.seed <= INTEGER_MAX:
        raise InvalidEvaluation(f"a seed of {evaluation.seed}; it has 64 bits, and a sign")
    if not 0 <= evaluation.ticks <= INTEGER_MAX:
        raise InvalidEvaluation(f"{evaluation.ticks} ticks; there are 0 to 2^63 - 1")
