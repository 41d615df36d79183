"""Alice calls for a challenge, people enter, and everybody reckons who stands where."""

import dataclasses
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from crdt.capability import READ
from crdt.change import DocumentId, SignedEntry
from crdt.document import Editor
from crdt.keys import COMMONS, AuthorKey
from registry import genome
from registry.attestation import document_of, say_claim, say_run
from registry.challenge import CLASS, KIND, Terms, enter, id_of, publish_challenge
from registry.content import Content
from registry.evaluation import Evaluation
from registry.head import Words
from registry.listed import rfc3339
from tests.node.api.test_attestations import CONTENT, LIFE, evaluator, publish
from tests.node.api.test_namespaces import GUILD, to_root
from tests.node.api.test_namespaces import post as grant
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice
from tests.registry.attested import ran
from tests.registry.people import DAY_US, NOON_US
from tests.storage.people import BOB, CAROL, Person

PATH = "/api/challenges"
BLINKER = b"x = 3, y = 1, rule = B3/S23\n3o!\n"
BLINKERS = Content.of(BLINKER, format="rle", file="blinker.rle")
TERMS = Terms(
    evaluator=LIFE.blake3,
    module=LIFE.id,
    version=LIFE.version,
    seeds=(1, 2),
    ticks=100,
    opens_us=NOON_US,
    deadline_us=NOON_US + DAY_US,
)
ID = id_of(TERMS)
WANTED: dict[str, Any] = {
    "name": "Longest life", "with": LIFE.id, "seeds": [2, 1, 2], "ticks": 100,
    "opens": "2026-01-01T12:00Z", "deadline": "2026-01-02T12:00Z", "rules": "# Rules\nAny pattern.",
}  # fmt: skip


def wanted(changed: dict[str, Any]) -> dict[str, Any]:
    return {**WANTED, **changed}


@dataclass
class Clock:
    now_us: int = NOON_US

    def __call__(self) -> int:
        return self.now_us


@dataclass(frozen=True)
class There:
    alice: Alice
    clock: Clock


@pytest_asyncio.fixture
async def there(tmp_path: Path) -> AsyncGenerator[There]:
    """Alice's node on the day of the challenge."""
    clock = Clock()
    async with open_alice(tmp_path / "alice", clock=clock) as alice:
        yield There(alice, clock)


async def post(alice: Alice, path: str, status: int = 201, **body: object) -> dict[str, Any]:
    answer = await alice.client.post(f"{PATH}{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def get(alice: Alice, path: str = "", status: int = 200) -> dict[str, Any]:
    answer = await alice.client.get(f"{PATH}{path}")
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def says(
    who: Person, result: int, genome: bytes, seed: int = 1, *, at_us: int = NOON_US,
    is_claim: bool = False, enters: bool = True,
) -> SignedEntry:  # fmt: skip
    about = Evaluation(genome, LIFE.blake3, seed, TERMS.ticks)
    word = say_run(about, LIFE.id, LIFE.version, ran(result, at_us=at_us), who.signer.device.public)
    if is_claim:
        word = say_claim(about, LIFE.id, LIFE.version, result, now_us=at_us)

    def edit(editor: Editor) -> None:
        word(editor)
        if enters:
            enter(TERMS, now_us=at_us)(editor)

    return who.writes(document_of(AuthorKey(who.root.public), about, COMMONS), edit)[0]


async def hear(alice: Alice, entries: Sequence[SignedEntry]) -> None:
    received = await alice.node.store.receive(entries, source="x")
    assert not received.refused


async def test_a_challenge_is_called_for_found_and_deleted(there: There) -> None:
    alice = there.alice
    tried = await post(alice, "", **WANTED, dry_run=True)
    assert (tried["id"], tried["challenge"], tried["entry"]) == (ID, None, None)
    assert (await get(alice))["challenges"] == []
    done = await post(alice, "", **WANTED)
    assert done["id"] == ID
    assert done["entry"]
    one = await get(alice, f"/{ID[:13]}")
    assert one == done["challenge"]
    assert (one["seeds"], one["ticks"], one["state"]) == ([1, 2], 100, "open")
    assert (one["module"], one["version"]) == (LIFE.id, LIFE.version)
    assert one["deadline_at"] == rfc3339(TERMS.deadline_us)
    assert (await post(alice, "", **WANTED))["entry"] is None, "it is the same"
    answer = await alice.client.delete(f"{PATH}/{ID}")
    assert answer.status_code == 204
    assert (await get(alice, f"/{ID}", 404))["code"] == "unknown-challenge"
    again = await post(alice, "", **WANTED)
    assert again["challenge"]["name"] == "Longest life"


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [({"name": ""}, "/name"), ({"name": "  "}, "/name"), ({"ticks": 0}, "/ticks")],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_challenge_has_a_name_and_lasts(
    there: There, changed: dict[str, Any], pointer: str, dry_run: bool
) -> None:
    problem = await post(there.alice, "", 422, **wanted(changed), dry_run=dry_run)
    assert pointer in [one["pointer"] for one in problem["errors"]]
    assert (await get(there.alice))["challenges"] == []


async def test_a_dry_run_is_refused_where_the_act_would_be(there: There) -> None:
    alice = there.alice
    await grant(alice, "/api/capabilities", {"capability": to_root(alice, READ)})
    await grant(alice, "/api/namespaces", {"name": "guild", "did": GUILD})
    for dry_run in (True, False):
        refused = await post(alice, "", 403, **WANTED, namespace="guild", dry_run=dry_run)
        assert refused["code"] == "no-capability"
    await post(alice, "", **WANTED)
    gone = {"record": f"{alice.node.identity.did}/{CLASS}/{KIND}/{ID}"}
    await grant(alice, "/api/records/deletion", gone, 200)
    await post(alice, "", **WANTED, dry_run=True)
    assert (await get(alice))["challenges"] == [], "nothing of a dry run is kept"
    await grant(alice, "/api/records/deletion", {**gone, "for_good": True}, 200)
    for dry_run in (True, False):
        assert (await post(alice, "", 409, **WANTED, dry_run=dry_run))["code"] == "let-go"


async def test_rules_that_change_after_it_opened_are_told(there: There) -> None:
    await post(there.alice, "", **WANTED)
    there.clock.now_us += 60_000_000
    changed = await post(there.alice, "", **wanted({"rules": "Only mine win."}))
    assert changed["challenge"]["reworded"]
    assert changed["challenge"]["rules"] == "Only mine win."


async def test_alice_enters_and_everybody_sees_who_verified_what(there: There) -> None:
    alice = there.alice
    await publish(alice.node)
    await publish(alice.node, BLINKERS, BLINKER)
    await post(alice, "", **WANTED)
    tried = await post(alice, f"/{ID}/entries", genome=CONTENT.id, dry_run=True)
    assert (tried["total"] is not None, tried["seeds"][0]["entry"]) == (True, None)
    assert (await get(alice, f"/{ID}/standing"))["entrants"] == []
    first = await post(alice, f"/{ID}/entries", genome=CONTENT.id[:8], seeds=[1])
    assert (first["total"], len(first["seeds"])) == (None, 1)
    done = await post(alice, f"/{ID}/entries", genome=CONTENT.id)
    assert [one["ran"] for one in done["seeds"]] == [False, True]
    await post(alice, f"/{ID}/entries", genome=BLINKERS.id)
    found = await get(alice, f"/{ID}/standing")
    assert (found["total"], found["whole"], found["next"]) == (2, True, None)
    totals = [one["total"] for one in found["entrants"]]
    assert totals == sorted(totals, reverse=True)
    mine = next(one for one in found["entrants"] if one["genome"] == CONTENT.id)
    assert (mine["name"], mine["total"]) == ("Glider", done["total"] or tried["total"])
    own = [alice.node.identity.did]
    assert (mine["entered_by"], mine["witnesses"]) == (own, own)
    assert [(one["seed"], one["state"], one["attestors"]) for one in mine["seeds"]] == [
        (1, "verified", own), (2, "verified", own),
    ]  # fmt: skip
    page = await get(alice, f"/{ID}/standing?limit=1")
    rest = await get(alice, f"/{ID}/standing?limit=1&cursor={page['next']}")
    assert page["entrants"] + rest["entrants"] == found["entrants"]
    assert rest["next"] is None


async def test_an_entry_is_taken_back(there: There) -> None:
    alice = there.alice
    await publish(alice.node)
    await post(alice, "", **WANTED)
    await post(alice, f"/{ID}/entries", genome=CONTENT.id)
    left = await alice.client.delete(f"{PATH}/{ID}/entries/{CONTENT.id}")
    assert left.status_code == 204
    assert (await get(alice, f"/{ID}/standing"))["entrants"] == []
    again = await alice.client.delete(f"{PATH}/{ID}/entries/{CONTENT.id}")
    assert (again.status_code, again.json()["code"]) == (404, "not-claimed")
    back = await post(alice, f"/{ID}/entries", genome=CONTENT.id)
    assert not any(one["ran"] for one in back["seeds"]), "what was run stays"


async def test_nobody_enters_too_early_or_too_late(there: There) -> None:
    alice, clock = there.alice, there.clock
    await publish(alice.node)
    clock.now_us = TERMS.opens_us - DAY_US
    await post(alice, "", **WANTED)
    assert (await get(alice, f"/{ID}"))["state"] == "not-open"
    early = await post(alice, f"/{ID}/entries", 409, genome=CONTENT.id)
    assert early["code"] == "challenge-not-open"
    clock.now_us = TERMS.deadline_us + 1
    late = await post(alice, f"/{ID}/entries", 409, genome=CONTENT.id)
    assert late["code"] == "challenge-over"
    assert (await post(alice, f"/{ID}/entries", genome=CONTENT.id, dry_run=True))["total"]
    assert (await get(alice, f"/{ID}/standing"))["entrants"] == []
    assert (await get(alice, "?open=true"))["challenges"] == []
    over = await post(alice, "", 422, **wanted({"opens": "2025-01-01"}))
    assert over["code"] == "challenge-over"


async def test_what_others_say_and_who_is_contradicted(there: There) -> None:
    alice = there.alice
    await publish(alice.node)
    await post(alice, "", **WANTED)
    await hear(
        alice, [says(BOB, 1, CONTENT.identity), says(CAROL, 9, CONTENT.identity, is_claim=True)]
    )
    (one,) = (await get(alice, f"/{ID}/standing"))["entrants"]
    assert (one["place"], one["verified"], one["witnesses"]) == (None, 0, [])
    assert one["entered_by"] == sorted((BOB.did, CAROL.did))
    await alice.node.store.set_petname("bob", BOB.did)
    (one,) = (await get(alice, f"/{ID}/standing"))["entrants"]
    assert (one["verified"], one["seeds"][0]["attestors"]) == (1, [BOB.did])
    assert one["seeds"][0]["contradicted_by"] == [CAROL.did]
    done = await post(alice, f"/{ID}/entries", genome=CONTENT.id)
    assert done["seeds"][0]["contradicted_by"] == sorted((BOB.did, CAROL.did))
    (one,) = (await get(alice, f"/{ID}/standing"))["entrants"]
    assert (one["verified"], one["contradictions"]) == (2, 1)


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"deadline": "soon"}, 400, "bad-date"),
        ({"deadline": "2026-01-01T12:00Z"}, 422, "challenge-over"),
        ({"deadline": "0001-01-01"}, 422, "challenge-over"),
        ({"opens": "0001-01-01"}, 422, "invalid-challenge"),
        ({"opens": "2026-02-01"}, 422, "invalid-challenge"),
        ({"seeds": []}, 422, "invalid-body"),
        ({"seeds": list(range(65))}, 422, "invalid-body"),
        ({"seeds": [1 << 63]}, 422, "invalid-body"),
        ({"ticks": -1}, 422, "invalid-body"),
        ({"with": "org.example.nothing"}, 404, "unknown-module"),
        ({"name": "x\u202ey"}, 422, "invalid-record"),
        ({"rules": "é" * 20_000}, 422, "invalid-record"),
        ({"namespace": "elsewhere"}, 404, "unknown-namespace"),
        ({"more": 1}, 422, "invalid-body"),
    ],
    ids=str,
)
async def test_what_is_no_challenge_is_said_and_signs_nothing(
    there: There, wrong: dict[str, Any], status: int, code: str
) -> None:
    said = await post(there.alice, "", status, **wanted(wrong))
    assert said["code"] == code
    assert (await get(there.alice))["challenges"] == []


async def test_a_module_that_judges_nothing_is_no_evaluator(there: There) -> None:
    await there.alice.client.post("/api/modules", json=new_module("org.example.judge"))
    said = await post(there.alice, "", 422, **wanted({"with": "org.example.judge"}))
    assert said["code"] == "not-an-evaluator"


ALIKE = replace(TERMS, ticks=59_404), replace(TERMS, ticks=93_322)
"""Both begin with chal-2842ea59."""


def calls(who: Person, terms: Terms) -> SignedEntry:
    document = DocumentId(COMMONS, who.signer.author, CLASS, KIND, id_of(terms).encode())
    return who.writes(document, publish_challenge(terms, Words("x"), now_us=NOON_US))[0]


async def test_eight_digits_are_enough_and_strangers_make_none_unclear(there: There) -> None:
    alice, (one, other) = there.alice, ALIKE
    begun = id_of(one)[:13]
    assert begun == id_of(other)[:13]
    await hear(alice, [calls(BOB, other)])
    assert (await get(alice, f"/{begun}"))["id"] == id_of(other)
    await hear(alice, [calls(CAROL, one)])
    said = await get(alice, f"/{begun}", 409)
    assert said["code"] == "ambiguous-digits"
    assert said["candidates"] == [id_of(other), id_of(one)], "what was here first is named first"
    assert (await get(alice, f"/{begun}?author={CAROL.did}"))["id"] == id_of(one)
    await alice.node.store.set_petname("carol", CAROL.did)
    assert (await get(alice, f"/{begun[5:]}"))["id"] == id_of(one)
    await post(alice, "", **wanted({"ticks": other.ticks}))
    mine = await get(alice, f"/{begun}")
    assert (mine["id"], mine["also_by"]) == (id_of(other), [BOB.did])
    for text in ("chal-", begun[:-1], "CHAL-0", "glider", "chal-0123456789abcdef0"):
        wrong = await get(alice, f"/{text}", 404)
        assert wrong["code"] == "unknown-challenge"
        assert "the first 8 or more" in wrong["detail"]


async def test_a_genome_is_entered_by_its_first_digits_whatever_strangers_make(
    there: There,
) -> None:
    alice = there.alice
    await publish(alice.node)
    await post(alice, "", **WANTED)
    alike = dataclasses.replace(CONTENT, identity=CONTENT.identity[:8] + bytes(24), text="")
    edit = genome.publish_genome(alike, Words("x"), genome.Facts(), now_us=1)
    document = DocumentId(COMMONS, BOB.signer.author, "pub", genome.KIND, alike.identity)
    await hear(alice, BOB.writes(document, edit))
    begun = CONTENT.id[:8]
    entered = await post(alice, f"/{ID}/entries", genome=begun)
    assert entered["genome"] == CONTENT.id
    attested = f"/api/registry/genomes/{begun}/attestations"
    path = f"{PATH}/{ID}/entries/{begun}"
    assert (await alice.client.delete(path)).status_code == 204
    gone = await alice.client.delete(f"{attested}?seed=1&ticks=100")
    assert gone.status_code == 204, gone.text
    for short in (begun[:7], "x" * 64):
        wrong = await post(alice, f"/{ID}/entries", 404, genome=short)
        assert wrong["code"] == "unknown-genome"
        assert "the first 8 are enough" in wrong["detail"]


async def test_lists_go_on_from_page_to_page_and_know_what_is_open(there: There) -> None:
    alice = there.alice
    days = ("2026-01-05", "2026-01-03", "2026-01-04")
    for day in days:
        await post(alice, "", **wanted({"deadline": day}))
    there.clock.now_us = NOON_US + 2 * DAY_US  # the third, noon

    async def ends(query: str) -> list[str]:
        page = await get(alice, query)
        return [one["deadline_at"][:10] for one in page["challenges"]]

    assert await ends("") == sorted(days)
    assert await ends("?open=true") == ["2026-01-04", "2026-01-05"]
    first = await get(alice, "?open=true&limit=1")
    assert await ends(f"?open=true&cursor={first['next']}") == ["2026-01-05"]
    assert (await get(alice, "?open=true&sort_by=name", 400))["code"] == "bad-query"
    assert await ends(f"?author={BOB.did}") == []
    etag = (await alice.client.get(PATH)).headers["etag"]
    same = await alice.client.get(PATH, headers={"if-none-match": etag})
    assert same.status_code == 304


async def test_only_whose_it_is_deletes_it(there: There) -> None:
    document = DocumentId(COMMONS, AuthorKey(BOB.root.public), CLASS, KIND, ID.encode())
    edit = publish_challenge(TERMS, Words("Bob's"), now_us=NOON_US)
    await hear(there.alice, BOB.writes(document, edit))
    answer = await there.alice.client.delete(f"{PATH}/{ID}")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    await post(there.alice, "", **WANTED)
    one = await get(there.alice, f"/{ID}?author={BOB.did}")
    assert (one["name"], one["author"]) == ("Bob's", BOB.did)
    one = await get(there.alice, f"/{ID}")
    assert (one["author"], one["also_by"]) == (there.alice.node.identity.did, [BOB.did])
    assert (await there.alice.client.delete(f"{PATH}/{ID}")).status_code == 204
    assert (await get(there.alice, f"/{ID}"))["name"] == "Bob's"


async def test_what_gives_no_result_enters_nothing(there: There) -> None:
    alice = there.alice
    await publish(alice.node)
    await alice.client.post("/api/modules", json=evaluator("(unreachable)"))
    done = await post(alice, "", **wanted({"with": "org.example.judge"}))
    said = await post(alice, f"/{done['id']}/entries", 422, genome=CONTENT.id)
    assert said["code"] == "no-entry"
    assert (await get(alice, f"/{done['id']}/standing"))["entrants"] == []
    other = replace(TERMS, seeds=(5,))
    assert (await get(alice, f"/{id_of(other)}/standing", 404))["code"] == "unknown-challenge"
    wrong = await post(alice, f"/{done['id']}/entries", 422, genome=CONTENT.id, seeds=[7])
    assert wrong["code"] == "invalid-body"
    for none in ("ab" * 32, "abcd", "glider"):
        said = await post(alice, f"/{done['id']}/entries", 404, genome=none)
        assert said["code"] == "unknown-genome"
