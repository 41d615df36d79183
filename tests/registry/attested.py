"""Evaluations, and people who attest them."""

from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey
from registry.attestation import Attestation, attestation_of, document_of
from registry.evaluation import Answer, Ending, Evaluation
from registry.findings import Claim, Entered, Run
from tests.registry.people import ALICE, ALICE_LAPTOP, BOB, BOB_PHONE, NOON_US, Record

CAROL = SigningKey.from_seed(bytes([5]) * 32)
MALLORY = SigningKey.from_seed(bytes([6]) * 32)
CAROL_DID, MALLORY_DID = (encode_did_key(one.public) for one in (CAROL, MALLORY))

GLIDER, GUN = b"\x01" * 32, b"\x02" * 32
JUDGE = b"\x0a" * 32
QUESTION = Evaluation(GLIDER, JUDGE, 0, 100)
NAME, VERSION = "io.panspermia.life-score", "1.0.0"
ENGINE, FEATURES = "wasmtime 50.0.1", "0123456789abcdef"


def ran(answer: int | Ending, *, engine: str = ENGINE, at_us: int = NOON_US) -> Run:
    found = Answer("result", answer) if isinstance(answer, int) else Answer(answer)
    return Run(found, engine, FEATURES, 1_000, at_us)


def said(
    author: str,
    *runs: Run,
    claim: int | None = None,
    about: Evaluation = QUESTION,
    module: str = NAME,
    entered: tuple[Entered, ...] = (),
) -> Attestation:
    return Attestation(
        id=about.id.hex(),
        genome=about.genome.hex(),
        evaluator=about.evaluator.hex(),
        seed=about.seed,
        ticks=about.ticks,
        module=module,
        version=VERSION,
        author=author,
        claim=None if claim is None else Claim(claim, NOON_US),
        runs=tuple(sorted(runs)),
        entered=entered,
    )


def record(
    about: Evaluation = QUESTION, author: SigningKey = BOB, device: SigningKey = BOB_PHONE
) -> Record:
    return Record(document_of(AuthorKey(author.public), about, COMMONS), device)


def alices(about: Evaluation = QUESTION) -> Record:
    return record(about, ALICE, ALICE_LAPTOP)


def read(one: Record) -> Attestation:
    return attestation_of(one.id, one.value)
