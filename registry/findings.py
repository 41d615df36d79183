"""What an attestation is made of: single values, each canonical CBOR of its own.

```
run        {ending, result?, engine, features, fuel, at_us}  one device ran it, and found this
claim      {result, at_us}                                   somebody says that it gives this
entered    {at_us}                                           its author enters a challenge with it
```
"""

from typing import Final, TypeVar

import msgspec

from crdt import cbor
from registry.errors import InvalidEvaluation, MalformedRecord, quoted
from registry.evaluation import Answer, answer_of
from registry.fields import TIME_US_MAX
from registry.wasm.names import unsafe
from registry.wire import decoded

RUN_BYTES_MAX: Final = 512
"""Of one run; the longest takes 360."""
ENGINE_CHARACTERS_MAX: Final = 64
FUEL_MAX: Final = (1 << 63) - 1

T = TypeVar("T")


class Run(msgspec.Struct, frozen=True, order=True):
    """What one device found when it ran the evaluation."""

    answer: Answer
    engine: str
    """Which one ran it, and in which version."""
    features: str
    """The digest of WebAssembly's features that were on."""
    fuel: int
    """What it took, as that engine counts; 0 where it does not know."""
    at_us: int
    """When that device first found this answer, by its clock."""


class Claim(msgspec.Struct, frozen=True, order=True):
    """What somebody says that it gives."""

    result: int
    at_us: int

    @property
    def answer(self) -> Answer:
        return Answer("result", self.result)


class Entered(msgspec.Struct, frozen=True, order=True):
    """The author enters the genome in this challenge, with what is said here of it."""

    challenge: str
    at_us: int
    """By the clock of whoever says so."""


def encode_claim(claim: Claim) -> bytes:
    """Raises `InvalidEvaluation` for one that would not be read back."""
    said = cbor.encode({"result": claim.result, "at_us": claim.at_us})
    read_claim(said)
    return said


def encode_run(run: Run) -> bytes:
    """Raises `InvalidEvaluation` for one that would not be read back."""
    fields: dict[str, object] = {
        "ending": run.answer.ending,
        "engine": run.engine,
        "features": run.features,
        "fuel": run.fuel,
        "at_us": run.at_us,
    }
    if run.answer.result is not None:
        fields["result"] = run.answer.result
    said = cbor.encode(fields)
    read_run(said)
    return said


def read_run(said: object) -> Run:
    """Raises `InvalidEvaluation` or `MalformedRecord` for what is none; so do the others."""
    wire = _decoded(as_bytes(said, "a run"), _RunWire, "a run")
    for text in (wire.engine, wire.features):
        reason = unsafe(text) if len(text) <= ENGINE_CHARACTERS_MAX else "is too long"
        if reason:
            raise InvalidEvaluation(f"an engine or features {quoted(text)}: {reason}")
    if not 0 <= wire.fuel <= FUEL_MAX:
        raise InvalidEvaluation(f"a run that took {wire.fuel} fuel")
    answer = answer_of(wire.ending, wire.result)
    return Run(answer, wire.engine, wire.features, wire.fuel, _time(wire.at_us))


def read_claim(said: object) -> Claim:
    wire = _decoded(as_bytes(said, "a claim"), _ClaimWire, "a claim")
    answer_of("result", wire.result)
    return Claim(wire.result, _time(wire.at_us))


def encode_entered(at_us: int) -> bytes:
    return cbor.encode({"at_us": at_us})


def read_entered(challenge: str, said: object) -> Entered:
    wire = _decoded(as_bytes(said, "an entry"), _EnteredWire, "an entry")
    return Entered(challenge, _time(wire.at_us))


def _decoded(said: bytes, kind: type[T], what: str) -> T:
    return decoded(said, kind, InvalidEvaluation, what, bytes_max=RUN_BYTES_MAX)


def _time(at_us: int) -> int:
    if not 0 <= at_us <= TIME_US_MAX:
        raise InvalidEvaluation("said at no time")
    return at_us


def as_bytes(value: object, what: str) -> bytes:
    if type(value) is not bytes:
        raise MalformedRecord(f"{what} is {type(value).__name__}, not bytes")
    return value


class _RunWire(msgspec.Struct, forbid_unknown_fields=True):
    ending: str
    engine: str
    features: str
    fuel: int
    at_us: int
    result: int | None = None


class _ClaimWire(msgspec.Struct, forbid_unknown_fields=True):
    result: int
    at_us: int


class _EnteredWire(msgspec.Struct, forbid_unknown_fields=True):
    at_us: int
