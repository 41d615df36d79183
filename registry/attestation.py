"""Attestations: what one author says of one evaluation, in a document of the author's own subspace.

```
class rate, kind fit, record = the id of the evaluation, 32 bytes
evaluation   said: the evaluation (evaluation.py); module, version: what its evaluator is called
claim        said: canonical CBOR {result, at_us}: what it gives, run or not; none: taken back
             <challenge>: canonical CBOR {at_us}: its author enters the genome there, since then
runs         {device in hex: canonical CBOR {ending, result?, engine, features, fuel, at_us}}
```
Each of them is one value, so that two devices never make one answer of two halves. A device that
runs it again writes over its own answer only. Keys are free: what counts of all this `fitness.py`
says.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import blake3
import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor
from crdt.errors import Malformed
from crdt.keys import KEY_BYTES, AuthorKey, NamespaceKey
from registry.deletion import undelete
from registry.errors import (
    InvalidChallenge,
    InvalidEvaluation,
    MalformedRecord,
    NotClaimed,
    RegistryError,
    quoted,
)
from registry.evaluation import (
    Answer,
    Evaluation,
    answer_of,
    decode_evaluation,
    encode_evaluation,
)
from registry.fields import TIME_US_MAX
from registry.names import parse_module_name
from registry.plain import as_map
from registry.versions import parse_version
from registry.wasm.names import unsafe
from storage.listing import AttestationRow

CLASS: Final = "rate"
KIND: Final = "fit"
RUN_BYTES_MAX: Final = 512
"""Of one run; the longest takes 360."""
RUNS_MAX: Final = 64
"""Devices of one author; people have a few."""
ENTERED_MAX: Final = 64
"""Challenges that ask one question; people have new seeds for each."""
ENGINE_CHARACTERS_MAX: Final = 64
FUEL_MAX: Final = (1 << 63) - 1

SAID: Final = "said"
_CHALLENGE: Final = re.compile(r"chal-[0-9a-f]{16}", re.ASCII)

Edit = Callable[[Editor], None]
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
    """By the clock of that device."""


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


class Attestation(msgspec.Struct, frozen=True):
    """What one author says of one evaluation. Hashes are in hex, for JSON."""

    id: str
    genome: str
    evaluator: str
    seed: int
    ticks: int
    module: str
    version: str
    author: str
    claim: Claim | None
    runs: tuple[Run, ...]
    """Sorted; one for each device that ran it."""
    entered: tuple[Entered, ...] = ()
    """Sorted; each challenge once."""

    @property
    def evaluation(self) -> Evaluation:
        genome, evaluator = bytes.fromhex(self.genome), bytes.fromhex(self.evaluator)
        return Evaluation(genome, evaluator, self.seed, self.ticks)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The different ones that this author's devices found."""
        return tuple(sorted({run.answer for run in self.runs}))


def document_of(author: AuthorKey, evaluation: Evaluation, namespace: NamespaceKey) -> DocumentId:
    """Where `author` speaks of it."""
    return DocumentId(namespace, author, CLASS, KIND, evaluation.id)


def say_claim(
    evaluation: Evaluation, module: str, version: str, result: int, *, now_us: int
) -> Edit:
    """`result` is what it gives, whoever runs it. Raises `InvalidEvaluation`."""
    said = cbor.encode({"result": answer_of("result", result).result, "at_us": now_us})
    return _with_evaluation(evaluation, module, version, ("claim", "said"), said)


def take_claim_back(editor: Editor) -> None:
    """The claim is gone; runs stay. Raises `NotClaimed`."""
    if editor.get(("claim", "said")) is None:
        raise NotClaimed("there is no claim of yours to take back")
    editor.delete(("claim", "said"))


def say_run(evaluation: Evaluation, module: str, version: str, run: Run, device: bytes) -> Edit:
    """`device` ran it and found this. Raises `InvalidEvaluation`."""
    said = _encode_run(run)
    return _with_evaluation(evaluation, module, version, ("runs", device.hex()), said)


def say_entered(challenge: str, between_us: tuple[int, int], *, now_us: int) -> Edit:
    """Enter the genome in `challenge`, which is open between these; after `say_run` or `say_claim`.

    What was said in time stays: who runs it again enters no later. Raises `InvalidChallenge`.
    """
    place, (opens_us, deadline_us) = ("claim", challenge), between_us

    def edit(editor: Editor) -> None:
        before = editor.get(place)
        if before is not None:
            with suppress(RegistryError):
                if opens_us <= _read_entered(challenge, before).at_us <= deadline_us:
                    return
        elif len(set(editor.keys(("claim",))) - {SAID}) >= ENTERED_MAX:
            raise InvalidChallenge(f"it is an entry of {ENTERED_MAX} challenges already, the most")
        editor.put(place, cbor.encode({"at_us": now_us}))

    return edit


def take_entry_back(challenge: str) -> Edit:
    """It is no entry any more; claims and runs stay. Raises `NotClaimed`."""

    def edit(editor: Editor) -> None:
        if editor.get(("claim", challenge)) is None:
            raise NotClaimed(f"there is no entry of yours in {challenge} to take back")
        editor.delete(("claim", challenge))

    return edit


def attestation_of(document: DocumentId, value: Mapping[str, Any]) -> Attestation:
    """What a document says. Raises `MalformedRecord`, whatever the value is."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, no attestation")
    about, claim, runs = (_map(value, key) for key in ("evaluation", "claim", "runs"))
    said = _bytes(about.get("said"), "the evaluation")
    if blake3.blake3(said).digest() != document.record:
        raise MalformedRecord("an attestation under a record that is not its evaluation's id")
    try:
        evaluation = decode_evaluation(said)
        module, version = _named(about)
        claimed = _read_claim(claim[SAID]) if claim.get(SAID) is not None else None
        entered = tuple(sorted(_read_entries(claim)))
        found = tuple(sorted(_read_runs(runs)))
    except RegistryError as error:
        raise MalformedRecord(f"an attestation: {error.detail}") from error
    return Attestation(
        id=document.record.hex(),
        genome=evaluation.genome.hex(),
        evaluator=evaluation.evaluator.hex(),
        seed=evaluation.seed,
        ticks=evaluation.ticks,
        module=module,
        version=version,
        author=encode_did_key(document.subspace),
        claim=claimed,
        runs=found,
        entered=entered,
    )


def row_of(document: DocumentId, value: Mapping[str, Any]) -> AttestationRow | None:
    """As storage keeps it; None where nothing is said any more. Raises `MalformedRecord`."""
    one = attestation_of(document, value)
    if one.claim is None and not one.runs:
        return None
    return AttestationRow(
        evaluation=bytes.fromhex(one.id),
        genome=bytes.fromhex(one.genome),
        author=one.author,
        is_run=bool(one.runs),
        at_us=max([run.at_us for run in one.runs] + ([one.claim.at_us] if one.claim else [])),
        said=_ENCODER.encode(one),
        entered=tuple(each.challenge for each in one.entered),
    )


def read_row(row: AttestationRow) -> Attestation:
    """What `row_of` was made of: our own JSON."""
    return _DECODER.decode(row.said)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Attestation)


def _with_evaluation(
    evaluation: Evaluation, module: str, version: str, place: tuple[str, str], said: bytes
) -> Edit:
    about: dict[str, str | bytes] = {
        "said": encode_evaluation(evaluation),
        "module": module,
        "version": version,
    }
    _named(about)

    def edit(editor: Editor) -> None:
        undelete()(editor)
        for key, text in about.items():
            # Who runs it again by another name of the same bytes says the same.
            if editor.get(("evaluation", key)) is None:
                editor.put(("evaluation", key), text)
        if editor.get(place) != said:
            editor.put(place, said)

    return edit


def _encode_run(run: Run) -> bytes:
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
    _read_run(said)
    return said


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


def _read_run(said: bytes) -> Run:
    wire = _decoded(said, _RunWire, "a run")
    for text in (wire.engine, wire.features):
        reason = unsafe(text) if len(text) <= ENGINE_CHARACTERS_MAX else "is too long"
        if reason:
            raise InvalidEvaluation(f"an engine or features {quoted(text)}: {reason}")
    if not 0 <= wire.fuel <= FUEL_MAX:
        raise InvalidEvaluation(f"a run that took {wire.fuel} fuel")
    answer = answer_of(wire.ending, wire.result)
    return Run(answer, wire.engine, wire.features, wire.fuel, _time(wire.at_us))


def _read_claim(said: object) -> Claim:
    wire = _decoded(_bytes(said, "a claim"), _ClaimWire, "a claim")
    answer_of("result", wire.result)
    return Claim(wire.result, _time(wire.at_us))


def _read_entries(claim: Mapping[str, Any]) -> Iterator[Entered]:
    entered = claim.keys() - {SAID}
    if len(entered) > ENTERED_MAX:
        raise MalformedRecord(f"an entry of {len(entered)} challenges, at most {ENTERED_MAX}")
    for challenge in entered:
        if not _CHALLENGE.fullmatch(challenge):
            raise MalformedRecord(f"an entry of {quoted(challenge)}, which is no challenge")
        yield _read_entered(challenge, claim[challenge])


def _read_entered(challenge: str, said: object) -> Entered:
    wire = _decoded(_bytes(said, "an entry"), _EnteredWire, "an entry")
    return Entered(challenge, _time(wire.at_us))


def _read_runs(runs: Mapping[str, Any]) -> Iterator[Run]:
    if len(runs) > RUNS_MAX:
        raise MalformedRecord(f"runs of {len(runs)} devices, at most {RUNS_MAX}")
    for device, said in runs.items():
        if len(device) != 2 * KEY_BYTES or not set(device) <= set("0123456789abcdef"):
            raise MalformedRecord(f"a run by {quoted(device)}, which is no device")
        yield _read_run(_bytes(said, "a run"))


def _decoded(said: bytes, kind: type[T], what: str) -> T:
    try:
        fields = cbor.decode(said, bytes_max=RUN_BYTES_MAX, depth_max=1)
        return msgspec.convert(fields, kind, builtin_types=(bytes,))
    except Malformed as error:
        raise InvalidEvaluation(f"{what}: {error.detail}") from error
    except msgspec.ValidationError as error:
        raise InvalidEvaluation(f"{what}: {error}") from error


def _named(about: Mapping[str, Any]) -> tuple[str, str]:
    """What people call the evaluator: without an author, one that comes with Panspermia."""
    module, version = about.get("module"), about.get("version")
    if not isinstance(module, str) or not isinstance(version, str):
        raise MalformedRecord("an evaluator without a name or a version")
    return str(parse_module_name(module)), str(parse_version(version))


def _time(at_us: int) -> int:
    if not 0 <= at_us <= TIME_US_MAX:
        raise InvalidEvaluation("said at no time")
    return at_us


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    fields = as_map(value.get(key))
    if fields is None:
        raise MalformedRecord(f"{key} is {type(value.get(key)).__name__}, not a map")
    return fields


def _bytes(value: object, what: str) -> bytes:
    if type(value) is not bytes:
        raise MalformedRecord(f"{what} is {type(value).__name__}, not bytes")
    return value
