"""Challenges: lists, calling for one, where everybody stands in it, and entering."""

import asyncio
import bisect
from dataclasses import replace

import msgspec

from crdt.keys import NamespaceKey
from node.api.asked import page_of
from node.api.challenge_models import (
    ChallengeDone,
    Challenges,
    ChallengeShown,
    ChallengesQuery,
    EntryDone,
    NewChallenge,
    NewEntry,
    OneChallengeQuery,
    StandingQuery,
    StandingShown,
    show_challenge,
    show_entrant,
    show_entry,
    state_of,
)
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import InNamespace, NoQuery
from node.api.problems import ENCODER, ProblemError
from node.errors import Rejected
from node.services.attest import Attestor, genome_said
from node.services.challenges import (
    called_of,
    check_evaluator,
    drop,
    find_challenge,
    genome_names,
    say_challenge,
    standing,
)
from node.services.curate import Curator
from node.services.entering import enter_challenge, leave_challenge
from node.services.evaluators import find_evaluator
from node.services.names import author_meant
from node.services.places import place_meant
from node.wiring import Node
from node.words import parse_unix_us
from registry.challenge import WORD, Entrant, Terms, id_of, order_of
from registry.head import Words
from storage.list_pages import Sort

SORTS: dict[str, Sort] = {
    "deadline": "score", "recent": "recent", "rating": "rating", "name": "name",
}  # fmt: skip


async def list_challenges(node: Node, call: Call[ChallengesQuery, None]) -> Challenges:
    """Challenges, a page at a time; what ends first is first."""
    query = call.query
    if query.open and query.sort_by != "deadline":
        raise ProblemError(400, "bad-query", "`open` goes with sort_by=deadline alone")
    now_us = node.clock_us()
    below = -float(now_us) if query.open else None
    rows, more = await page_of(node, WORD, query, SORTS[query.sort_by], score_below=below)
    return Challenges(tuple(show_challenge(called_of(row), now_us) for row in rows), more)


async def call_for_challenge(node: Node, call: Call[NoQuery, NewChallenge]) -> ChallengeDone:
    """Call for a challenge, as this node's author. Its terms never change; its words may."""
    body, now_us = call.body, node.clock_us()
    place = await place_meant(node.store, body.namespace)
    found = await find_evaluator(node.store, node.network, body.evaluator, place)
    deadline_us = parse_unix_us(body.deadline)
    if deadline_us <= now_us:
        raise Rejected(f"{body.deadline} has passed: nobody could enter", code="challenge-over")
    terms = Terms(
        evaluator=found.blake3,
        module=found.module,
        version=found.version,
        seeds=tuple(sorted(set(body.seeds))),
        ticks=body.ticks,
        opens_us=now_us if body.opens is None else parse_unix_us(body.opens),
        deadline_us=deadline_us,
    )
    id = id_of(terms)
    await check_evaluator(node.workers, found)
    words = Words(
        body.name, body.description, card=body.rules, tags=tuple(dict.fromkeys(body.tags))
    )
    by = Curator(node.signers, place)
    called, entry = await say_challenge(by, terms, words, now_us=now_us, dry_run=body.dry_run)
    return ChallengeDone(
        id=id,
        challenge=show_challenge(called, now_us) if called else None,
        entry=entry.hex() if entry else None,
        dry_run=body.dry_run,
    )


async def get_challenge(node: Node, call: Call[OneChallengeQuery, None]) -> ChallengeShown:
    """One challenge, by its id or the beginning of it: terms, rules, and how long it is open."""
    namespace = await place_meant(node.store, call.query.namespace)
    author = call.query.author
    whose = None if author is None else await author_meant(node.store, author)
    called = await find_challenge(node.store, call.path["challenge"], namespace, whose)
    return show_challenge(called, node.clock_us())


async def get_standing(node: Node, call: Call[StandingQuery, None]) -> msgspec.Raw:
    """Who stands where, reckoned from what is held here and whom this node follows."""
    terms, namespace = await _terms(node, call.path["challenge"], call.query.namespace)
    id = id_of(terms)
    found = await standing(node.store, node.identity.did, terms, namespace)
    where = f"standing {id} {namespace.hex()}"
    after = node.cursors.open(where, call.query.cursor)
    start = 0
    if after is not None:
        start = bisect.bisect_right(found.entrants, _order(after), key=order_of)
    page = found.entrants[start : start + call.query.limit]
    is_last = start + len(page) == len(found.entrants)
    names = await genome_names(node.store, page, namespace)

    def encoded() -> bytes:
        shown = StandingShown(
            challenge=id,
            seeds=len(terms.seeds),
            state=state_of(terms, node.clock_us()),
            total=len(found.entrants),
            whole=found.is_whole,
            entrants=tuple(show_entrant(one, names.get(one.genome, "")) for one in page),
            next=None if is_last else node.cursors.seal(where, _place(page[-1])),
        )
        return ENCODER.encode(shown)

    return msgspec.Raw(await asyncio.to_thread(encoded))


async def enter_genome(node: Node, call: Call[InNamespace, NewEntry]) -> EntryDone:
    """Run a genome from every seed of a challenge, and sign the results as an entry.

    What this author ran before is not run again. Each seed is signed once it is run.
    """
    body = call.body
    terms, namespace = await _terms(node, call.path["challenge"], call.query.namespace)
    by = _attestor(node, namespace)
    entry = await enter_challenge(by, terms, body.genome, seeds=body.seeds, dry_run=body.dry_run)
    return show_entry(id_of(terms), terms, entry, dry_run=body.dry_run)


async def leave_with_genome(node: Node, call: Call[InNamespace, None]) -> None:
    """Take an entry of this author back; what was run stays attested."""
    terms, namespace = await _terms(node, call.path["challenge"], call.query.namespace)
    genome = await genome_said(node.store, call.path["genome"], namespace)
    await leave_challenge(_attestor(node, namespace), terms, genome)


async def delete_challenge(node: Node, call: Call[InNamespace, None]) -> None:
    """Show a challenge of this author to nobody any more; entries stay with who made them."""
    namespace = await place_meant(node.store, call.query.namespace)
    own = node.identity.did
    found = await find_challenge(node.store, call.path["challenge"], namespace)
    if found.challenge.author != own and own in found.also_by:
        found = await find_challenge(node.store, found.challenge.id, namespace, own)
    await drop(Curator(node.signers, namespace), found, now_us=node.clock_us())


async def _terms(node: Node, text: str, place: str) -> tuple[Terms, NamespaceKey]:
    namespace = await place_meant(node.store, place)
    return (await find_challenge(node.store, text, namespace)).challenge.terms, namespace


def _attestor(node: Node, namespace: NamespaceKey) -> Attestor:
    return replace(node.attesting.by, namespace=namespace)


def _place(one: Entrant) -> str:
    """Where a page ends: it may be gone by the next."""
    return f"{'' if one.total is None else one.total} {one.genome}"


def _order(text: str) -> tuple[bool, int, str]:
    """Of a cursor that this node sealed."""
    total, _, genome = text.partition(" ")
    return (not total, -int(total or 0), genome)


PATH = "/api/challenges"
ONE = f"{PATH}/{{challenge}}"
ENDPOINTS = (
    reads(
        PATH, list_challenges, Challenges, query=ChallengesQuery, problems=(404, 422),
        is_remembered=True,
    ),
    writes(
        PATH, call_for_challenge, ChallengeDone, body=NewChallenge, status=201,
        problems=(400, 404, 504),
    ),
    reads(
        ONE, get_challenge, ChallengeShown, query=OneChallengeQuery, problems=(409, 422),
        is_remembered=True,
    ),
    deletes(ONE, delete_challenge, query=InNamespace, problems=(403, 409)),
    reads(
        f"{ONE}/standing", get_standing, StandingShown, query=StandingQuery, problems=(409, 422),
        is_remembered=True,
    ),
    writes(
        f"{ONE}/entries", enter_genome, EntryDone, body=NewEntry, query=InNamespace, status=201,
        problems=(404, 504),
    ),
    deletes(
        f"{ONE}/entries/{{genome:record}}", leave_with_genome, query=InNamespace,
        problems=(409, 422),
    ),
)  # fmt: skip
