"""Attestations: what one author says of one evaluation, in a document of the author's own subspace.

```
class rate, kind fit, record = the id of the evaluation, 32 bytes
evaluation   said: the evaluation (evaluation.py); module, version: what its evaluator is called
claim        said: canonical CBOR {result, at_us}: what it gives, run or not; none: taken back
             <challenge>: canonical CBOR {at_us}: its author enters the genome there, since then
runs         {device in hex: canonical CBOR {ending, result?, engine, features, fuel, at_us}}
```
Each of them is one value, so that two devices never make one answer of two halves. A device that
runs it again writes over its own answer only, and keeps the earlier time where that is the same.
Keys are free: what counts of all this `fitness.py` says.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import blake3
import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor
from crdt.keys import KEY_BYTES, AuthorKey, NamespaceKey
from registry.deletion import undelete
from registry.errors import (
    InvalidChallenge,
    MalformedRecord,
    NotClaimed,
    RegistryError,
    quoted,
)
from registry.evaluation import (
    Answer,
    Evaluation,
    decode_evaluation,
    encode_evaluation,
)
from registry.findings import (
    Claim,
    Entered,
    Run,
    as_bytes,
    encode_claim,
    encode_entered,
    encode_run,
    read_claim,
    read_entered,
    read_run,
)
from registry.names import parse_module_name
from registry.plain import as_map
from registry.versions import parse_version
from storage.listing import AttestationRow

CLASS: Final = "rate"
KIND: Final = "fit"
RUNS_MAX: Final = 64
"""Devices of one author; people have a few."""
ENTERED_MAX: Final = 64
"""Challenges that ask one question; people have new seeds for each."""

SAID: Final = "said"
_CHALLENGE: Final = re.compile(r"chal-[0-9a-f]{16}", re.ASCII)

Edit = Callable[[Editor], None]


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
    said = encode_claim(Claim(result, now_us))

    def since(before: bytes) -> bytes:
        then = read_claim(before)
        if then.result != result:
            return said
        return encode_claim(Claim(result, min(then.at_us, now_us)))

    return _with_evaluation(evaluation, module, version, ("claim", SAID), said, since)


def take_claim_back(editor: Editor) -> None:
    """The claim is gone; runs stay. Raises `NotClaimed`."""
    if editor.get(("claim", SAID)) is None:
        raise NotClaimed("there is no claim of yours to take back")
    editor.delete(("claim", SAID))


def take_all_back(editor: Editor) -> None:
    """The claim is gone, and what any device of this author found, and its entries in challenges.

    Raises `NotClaimed`.
    """
    places = [(part, key) for part in ("claim", "runs") for key in editor.keys((part,))]
    if not places:
        raise NotClaimed("there is nothing of yours to take back: you neither claim it nor ran it")
    for place in places:
        editor.delete(place)


def say_run(evaluation: Evaluation, module: str, version: str, run: Run, device: bytes) -> Edit:
    """`device` ran it and found this. Raises `InvalidEvaluation`.

    Whoever finds the same again keeps the earlier time, and says which engine did last. So what a
    clock dated that was ahead is mended by running it again.
    """
    said = encode_run(run)

    def since(before: object) -> bytes:
        then = read_run(as_bytes(before, "a run"))
        if then.answer != run.answer:
            return said
        return encode_run(msgspec.structs.replace(run, at_us=min(then.at_us, run.at_us)))

    return _with_evaluation(evaluation, module, version, ("runs", device.hex()), said, since)


def say_entered(challenge: str, between_us: tuple[int, int], *, now_us: int) -> Edit:
    """Enter the genome in `challenge`, which is open between these; after `say_run` or `say_claim`.

    What was said in time stays: who runs it again enters no later. Raises `InvalidChallenge`.
    """
    place, (opens_us, deadline_us) = ("claim", challenge), between_us

    def edit(editor: Editor) -> None:
        before = editor.get(place)
        if before is not None:
            with suppress(RegistryError):
                if opens_us <= read_entered(challenge, before).at_us <= deadline_us:
                    return
        elif len(set(editor.keys(("claim",))) - {SAID}) >= ENTERED_MAX:
            raise InvalidChallenge(f"it is an entry of {ENTERED_MAX} challenges already, the most")
        editor.put(place, encode_entered(now_us))

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
    said = as_bytes(about.get("said"), "the evaluation")
    if blake3.blake3(said).digest() != document.record:
        raise MalformedRecord("an attestation under a record that is not its evaluation's id")
    try:
        evaluation = decode_evaluation(said)
        module, version = _named(about)
        claimed = read_claim(claim[SAID]) if claim.get(SAID) is not None else None
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
    evaluation: Evaluation,
    module: str,
    version: str,
    place: tuple[str, str],
    said: bytes,
    since: Callable[[bytes], bytes],
) -> Edit:
    """`since`: what is said where that stood there before; it may raise `RegistryError`."""
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
        before, now = editor.get(place), said
        if type(before) is bytes:
            with suppress(RegistryError):
                now = since(before)
        if before != now:
            editor.put(place, now)

    return edit


def _read_entries(claim: Mapping[str, Any]) -> Iterator[Entered]:
    entered = claim.keys() - {SAID}
    if len(entered) > ENTERED_MAX:
        raise MalformedRecord(f"an entry of {len(entered)} challenges, at most {ENTERED_MAX}")
    for challenge in entered:
        if not _CHALLENGE.fullmatch(challenge):
            raise MalformedRecord(f"an entry of {quoted(challenge)}, which is no challenge")
        yield read_entered(challenge, claim[challenge])


def _read_runs(runs: Mapping[str, Any]) -> Iterator[Run]:
    if len(runs) > RUNS_MAX:
        raise MalformedRecord(f"runs of {len(runs)} devices, at most {RUNS_MAX}")
    for device, said in runs.items():
        if len(device) != 2 * KEY_BYTES or not set(device) <= set("0123456789abcdef"):
            raise MalformedRecord(f"a run by {quoted(device)}, which is no device")
        yield read_run(said)


def _named(about: Mapping[str, Any]) -> tuple[str, str]:
    """What people call the evaluator: without an author, one that comes with Panspermia."""
    module, version = about.get("module"), about.get("version")
    if not isinstance(module, str) or not isinstance(version, str):
        raise MalformedRecord("an evaluator without a name or a version")
    return str(parse_module_name(module)), str(parse_version(version))


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    fields = as_map(value.get(key))
    if fields is None:
        raise MalformedRecord(f"{key} is {type(value.get(key)).__name__}, not a map")
    return fields
