"""Challenges: an evaluator, seeds, ticks and a deadline, and who stands where in it.

```
class pub, kind chal, record = "chal-" + 16 hex digits of BLAKE3(terms)   head, tags: see `head.py`
challenge  terms: canonical CBOR {type, evaluator, module, version, seeds, ticks,
                                  opens_us, deadline_us}
```
The rules for people are the head's card. The record names its terms, so they never change: others
are another challenge. Who enters says so beside a claim or a run of one of its evaluations
(`attestation.py`), in time by their own clock. Where each genome stands anybody reckons from the
attestations held (`standing_of`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import blake3
import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.digest import DIGEST_BYTES
from crdt.document import Editor
from registry.attestation import Attestation, say_entered
from registry.deletion import undelete
from registry.errors import InvalidChallenge, MalformedRecord, Problem, RegistryError, quoted
from registry.evaluation import INTEGER_MAX, INTEGER_MIN, Evaluation
from registry.fields import TIME_US_MAX
from registry.fitness import Judgement, Trust, judge
from registry.head import Words, check_words, head_of, put_head, refuse, touch
from registry.names import parse_module_name
from registry.plain import as_map
from registry.versions import parse_version
from registry.wire import decoded
from storage.listing import Listing

CLASS, KIND, WORD = "pub", "chal", "challenge"
TYPE: Final = "panspermia.challenge/1"
SEEDS_MAX: Final = 64
TERMS_BYTES_MAX: Final = 2_048
"""64 seeds of nine bytes and the longest names take 1,200."""
ID_DIGITS: Final = 16

Edit = Callable[[Editor], None]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of every genome: one evaluation for each seed. Seeds are sorted, each once."""

    type: str = TYPE
    evaluator: bytes
    module: str
    version: str
    seeds: tuple[int, ...]
    ticks: int
    opens_us: int
    deadline_us: int

    @property
    def between_us(self) -> tuple[int, int]:
        """When one may enter, both ends included."""
        return self.opens_us, self.deadline_us

    def evaluations(self, genome: bytes) -> tuple[Evaluation, ...]:
        return tuple(Evaluation(genome, self.evaluator, seed, self.ticks) for seed in self.seeds)


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge as people see it."""

    id: str
    author: str
    """did:key"""
    name: str
    description: str
    rules: str
    """Markdown."""
    terms: Terms


class Entrant(msgspec.Struct, frozen=True, kw_only=True):
    """Where one genome stands."""

    genome: str
    place: int | None
    """From 1; equal totals share one. None until every seed has a verified result."""
    total: int | None
    verified: int
    """Of how many seeds the result is verified."""
    entered_by: tuple[str, ...]
    """Who entered it in time, sorted."""
    witnesses: tuple[str, ...]
    """Trusted authors by whose clocks it was there before the deadline, sorted; without one the
    entry is as old as its author says."""
    judgements: tuple[Judgement, ...]
    """Of each seed that anybody speaks of, by seed."""

    @property
    def contradictions(self) -> int:
        """Of how many seeds there is more than one answer."""
        return sum(1 for one in self.judgements if one.contradictions)


def id_of(terms: Terms) -> str:
    """Names the terms. Raises `InvalidChallenge`."""
    return f"chal-{blake3.blake3(encode_terms(terms)).hexdigest()[:ID_DIGITS]}"


def publish_challenge(terms: Terms, words: Words, *, now_us: int) -> Edit:
    """Say it, or say its words anew. Raises `InvalidChallenge` or `InvalidRecord`."""
    check_words(words)
    if not (words.name or "").strip():  # its id is no word, and a list shows it by nothing else
        refuse([Problem("/name", "is empty: say in a few words what it is about")])
    said = encode_terms(terms)

    def edit(editor: Editor) -> None:
        undelete()(editor)
        is_changed = put_head(editor, words, now_us=now_us)
        if editor.get(("challenge", "terms")) != said:
            editor.put(("challenge", "terms"), said)
            is_changed = True
        if is_changed:
            touch(editor, now_us)

    return edit


def challenge_of(document: DocumentId, value: Mapping[str, Any]) -> Challenge:
    """Raises `MalformedRecord`, whatever the value is."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, no challenge")
    fields = as_map(value.get("challenge"))
    said = None if fields is None else fields.get("terms")
    if type(said) is not bytes:
        raise MalformedRecord("a challenge without terms")
    try:
        terms = decode_terms(said)
        id = id_of(terms)
    except RegistryError as error:
        raise MalformedRecord(f"a challenge: {error.detail}") from error
    if id.encode() != document.record:
        raise MalformedRecord("a challenge under a record that does not name its terms")
    head = head_of(value)
    return Challenge(
        id=id,
        author=encode_did_key(document.subspace),
        name=head.name,
        description=head.description,
        rules=head.card,
        terms=terms,
    )


def challenge_listing(document: DocumentId, value: Mapping[str, Any]) -> Listing:
    """As lists and search show it. Raises `MalformedRecord`."""
    found, head = challenge_of(document, value), head_of(value)
    return Listing(
        kind=WORD,
        author=found.author,
        record=found.id,
        name=found.name,
        description=found.description,
        tags=head.tags,
        text="\n".join((found.terms.module, found.rules)),
        created_us=head.created_us,
        updated_us=head.updated_us,
        fields=msgspec.json.encode(_shown(found)),
        # The highest score is first: so the one that ends first is.
        score=-float(found.terms.deadline_us),
    )


def listed_challenge(fields: bytes) -> Challenge:
    """What `challenge_listing` kept of it: our own JSON."""
    listed = _LISTED.decode(fields)
    terms = msgspec.convert(
        listed.terms | {"evaluator": bytes.fromhex(listed.terms["evaluator"])},
        Terms,
        builtin_types=(bytes,),
    )
    return Challenge(
        id=listed.id,
        author=listed.author,
        name=listed.name,
        description=listed.description,
        rules=listed.rules,
        terms=terms,
    )


class _Listed(msgspec.Struct, frozen=True):
    id: str
    author: str
    name: str
    description: str
    rules: str
    terms: dict[str, Any]


_LISTED: Final = msgspec.json.Decoder(_Listed)


def _shown(found: Challenge) -> Mapping[str, Any]:
    """For JSON: hashes in hex."""
    terms = msgspec.structs.asdict(found.terms) | {"evaluator": found.terms.evaluator.hex()}
    return msgspec.structs.asdict(found) | {"terms": terms}


def encode_terms(terms: Terms) -> bytes:
    """Raises `InvalidChallenge` for those that would not be read back."""
    said = cbor.encode(msgspec.structs.asdict(terms))
    decode_terms(said)
    return said


def decode_terms(said: bytes) -> Terms:
    """Raises `InvalidChallenge` for anything that is not exactly terms."""
    what = "no terms of a challenge"
    terms = decoded(said, Terms, InvalidChallenge, what, bytes_max=TERMS_BYTES_MAX, depth_max=2)
    _check(terms)
    return terms


def _check(terms: Terms) -> None:
    seeds = terms.seeds
    if terms.type != TYPE:
        raise InvalidChallenge(f"terms of type {quoted(terms.type)}, not {TYPE}")
    if len(terms.evaluator) != DIGEST_BYTES:
        raise InvalidChallenge(f"an evaluator is named by {DIGEST_BYTES} bytes")
    if not 1 <= len(seeds) <= SEEDS_MAX or list(seeds) != sorted(set(seeds)):
        raise InvalidChallenge(f"1 to {SEEDS_MAX} seeds, sorted, each once")
    if not INTEGER_MIN <= seeds[0] <= seeds[-1] <= INTEGER_MAX:
        raise InvalidChallenge("a seed has 64 bits and a sign")
    if not 0 <= terms.ticks <= INTEGER_MAX:
        raise InvalidChallenge(f"{terms.ticks} ticks; there are 0 to 2^63 - 1")
    if not 0 <= terms.opens_us < terms.deadline_us <= TIME_US_MAX:
        raise InvalidChallenge("it ends after it begins, and before the year 10000")
    try:
        parse_module_name(terms.module)
        parse_version(terms.version)
    except RegistryError as error:
        raise InvalidChallenge(error.detail) from error


def enter(terms: Terms, *, now_us: int) -> Edit:
    """After a claim or a run of one of its evaluations. Raises `InvalidChallenge`."""
    return say_entered(id_of(terms), terms.between_us, now_us=now_us)


def standing_of(
    terms: Terms, attestations: Iterable[Attestation], trust: Trust
) -> tuple[Entrant, ...]:
    """Who stands where: the highest total first, then those not yet verified, by identity.

    Pure: the same attestations and trust give the same standing, in whatever order they came.
    """
    about: dict[str, dict[int, list[Attestation]]] = defaultdict(lambda: defaultdict(list))
    evaluator, seeds, id = terms.evaluator.hex(), frozenset(terms.seeds), id_of(terms)
    for one in attestations:
        if one.evaluator == evaluator and one.ticks == terms.ticks and one.seed in seeds:
            about[one.genome][one.seed].append(one)
    entrants = (_entrant(terms, id, genome, said, trust) for genome, said in about.items())
    return _placed([one for one in entrants if one.entered_by])


def _entrant(
    terms: Terms, id: str, genome: str, said: Mapping[int, list[Attestation]], trust: Trust
) -> Entrant:
    judged = tuple(judge(each, trust) for _, each in sorted(said.items()))
    results = [one.answer.result for one in judged if one.answer and one.answer.result is not None]
    words = [one for each in said.values() for one in each]
    return Entrant(
        genome=genome,
        place=None,
        total=sum(results) if len(results) == len(terms.seeds) else None,
        verified=len(results),
        entered_by=tuple(sorted({one.author for one in words if _is_entry(terms, id, one)})),
        witnesses=tuple(
            sorted({one.author for one in words if one.author in trust and _saw_it(terms, id, one)})
        ),
        judgements=judged,
    )


def _is_entry(terms: Terms, id: str, one: Attestation) -> bool:
    return any(
        each.challenge == id and terms.opens_us <= each.at_us <= terms.deadline_us
        for each in one.entered
    )


def _saw_it(terms: Terms, id: str, one: Attestation) -> bool:
    """Whether, by its author's clock, the genome was there before the deadline."""
    return _is_entry(terms, id, one) or any(run.at_us <= terms.deadline_us for run in one.runs)


def _placed(entrants: Sequence[Entrant]) -> tuple[Entrant, ...]:
    found: list[Entrant] = []
    for number, one in enumerate(sorted(entrants, key=order_of), 1):
        place = None if one.total is None else number
        if found and one.total is not None and found[-1].total == one.total:
            place = found[-1].place
        found.append(msgspec.structs.replace(one, place=place))
    return tuple(found)


def order_of(one: Entrant) -> tuple[bool, int, str]:
    """What a standing is sorted by, ascending."""
    return (one.total is None, -(one.total or 0), one.genome)
