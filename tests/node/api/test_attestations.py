"""Alice runs what others claim; what they say of a genome is shown with everybody's name."""

import base64
import dataclasses
from functools import partial
from typing import Any

import pytest
import wasmtime

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey
from node.demo import evaluators
from node.services.evaluators import MODULES_LOOKED_UP_MAX, TICKS_MAX
from node.services.signers import Signers
from node.wiring import Node
from registry import genome
from registry.attestation import document_of, say_claim, say_run
from registry.content import Content
from registry.evaluation import Evaluation
from registry.head import Words
from tests.node.modules import new_module
from tests.node.parts import Alice
from tests.registry.attested import ran
from tests.registry.formats import files
from tests.storage.people import BOB, CAROL, Person

GLIDER = b"x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
CONTENT = Content.of(GLIDER, format="rle", file="glider.rle")
PATH = f"/api/registry/genomes/{CONTENT.id}/attestations"
LIFE = evaluators()[0]
RESULT = 4 * 10**7 + 10**5 + 5
QUESTION = Evaluation(CONTENT.identity, LIFE.blake3, 0, 1_000)


async def publish(node: Node, content: Content = CONTENT, data: bytes = GLIDER) -> None:
    """As A's node would: the bytes are a blob, the record names them."""
    author = node.identity.author
    document = DocumentId(COMMONS, author, genome.CLASS, genome.KIND, content.identity)
    words = Words("Glider", "Moves.", "CC0-1.0", tags=("spaceship",))
    edit = genome.publish_genome(content, words, genome.Facts(), now_us=node.clock_us())
    await node.store.put_blob(data)
    signers = Signers(node.identity, node.store, node.clock_us)
    await node.store.commit(document, edit, await signers.for_document(document))


def runs(who: Person, result: int, about: Evaluation = QUESTION) -> SignedEntry:
    edit = say_run(about, LIFE.id, LIFE.version, ran(result), who.signer.device.public)
    return who.writes(document_of(AuthorKey(who.root.public), about, COMMONS), edit)[0]


def claims(who: Person, result: int, about: Evaluation = QUESTION) -> SignedEntry:
    edit = say_claim(about, LIFE.id, LIFE.version, result, now_us=1)
    return who.writes(document_of(AuthorKey(who.root.public), about, COMMONS), edit)[0]


async def attest(alice: Alice, **body: object) -> dict[str, Any]:
    answer = await alice.client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def fitness(alice: Alice) -> dict[str, Any]:
    found: dict[str, Any] = (await alice.client.get(PATH)).json()
    return found


async def test_alice_runs_and_signs_once(alice: Alice) -> None:
    await publish(alice.node)
    tried = await attest(alice, dry_run=True)
    assert (tried["result"], tried["entry"]) == (RESULT, None)
    assert (await fitness(alice))["evaluations"] == []
    done = await attest(alice)
    assert (done["result"], done["ending"], done["judgement"]["state"]) == (
        RESULT, "result", "verified",
    )  # fmt: skip
    assert done["entry"]
    assert done["judgement"]["attestors"] == [alice.node.identity.did]
    found = await fitness(alice)
    assert (found["result"], found["contradictions"]) == (RESULT, 0)
    assert found["best"] == done["judgement"]["evaluation"] == QUESTION.id.hex()


async def test_a_claim_never_ranks_until_somebody_trusted_ran_it(alice: Alice) -> None:
    await publish(alice.node)
    claimed = await attest(alice, claim=9 * 10**15)
    assert claimed["judgement"]["state"] == "claimed"
    assert (await fitness(alice))["result"] is None
    done = await attest(alice)
    (wrong,) = done["judgement"]["contradictions"]
    assert (wrong["author"], wrong["claimed"], wrong["result"]) == (
        alice.node.identity.did, True, 9 * 10**15,
    )  # fmt: skip
    assert (await fitness(alice))["result"] == RESULT


async def test_contradictions_name_everybody(alice: Alice) -> None:
    await publish(alice.node)
    received = await alice.node.store.receive([runs(BOB, 1), claims(CAROL, 2)], source="x")
    assert not received.refused
    found = await fitness(alice)
    assert (found["result"], found["contradictions"]) == (None, 1)
    await alice.node.store.set_petname("bob", BOB.did)
    found = await fitness(alice)
    assert (found["result"], found["attestors"]) == (1, [BOB.did])
    done = await attest(alice)
    assert {one["author"] for one in done["judgement"]["contradictions"]} == {BOB.did, CAROL.did}
    found = await fitness(alice)
    assert (found["result"], found["attestors"]) == (RESULT, [alice.node.identity.did])


async def test_what_else_is_written_leaves_the_verified_order_as_it_is(alice: Alice) -> None:
    """It is not made again for each write of a busy node."""
    order, store = alice.node.attested, alice.node.store
    await publish(alice.node)
    await store.set_petname("bob", BOB.did)
    await store.receive([runs(BOB, 5)], source="x")
    made = await order.places()
    assert len(made) == 1
    await publish(alice.node, BLOCKS, BLOCK)
    answer = await alice.client.post("/api/modules", json=new_module())
    assert answer.status_code == 201, answer.text
    assert await order.places() is made
    await store.receive([runs(BOB, 7, dataclasses.replace(QUESTION, seed=1))], source="x")
    anew = await order.places()
    assert anew is not made
    await store.remove_petname("bob")
    assert await order.places() == [], "whom nobody follows verifies nothing"


async def test_a_module_that_runs_name_may_change_the_verified_order(alice: Alice) -> None:
    """So the order is made again with it, and with no other module."""
    order, store = alice.node.attested, alice.node.store
    await publish(alice.node)
    name = f"{alice.node.identity.did}/org.example.add"
    assert await store.may_runs_differ(0, ()) is False
    answer = await alice.client.post("/api/modules", json=new_module())
    assert answer.status_code == 201, answer.text
    assert await store.may_runs_differ(0, ()) is False
    assert await store.may_runs_differ(0, (name,)) is True
    _, newest = await store.newest_change()
    assert await store.may_runs_differ(newest, (name,)) is False
    await store.receive([runs(BOB, 5)], source="x")
    assert await store.may_runs_differ(newest, ()) is True
    assert await order.places() == []


BLOCK = b"x = 2, y = 2\n2o$2o!\n"
BLOCKS = Content.of(BLOCK, format="rle", file="block.rle")


async def listed(alice: Alice, query: str = "") -> list[tuple[str, int]]:
    answer = await alice.client.get(f"/api/registry/genomes?sort_by=attested{query}")
    assert answer.status_code == 200, answer.text
    return [(one["id"], one["attested"]["result"]) for one in answer.json()["genomes"]]


async def test_genomes_are_listed_by_what_is_verified_of_them(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(alice.node)
    await publish(alice.node, BLOCKS, BLOCK)
    about = Evaluation(BLOCKS.identity, LIFE.blake3, 0, 1_000)
    received = await alice.node.store.receive(
        [runs(BOB, 5, about), runs(CAROL, 9 * 10**15)], source="x"
    )
    assert not received.refused
    assert await listed(alice) == [], "of strangers' runs nothing is verified"
    await alice.node.store.set_petname("bob", BOB.did)
    assert await listed(alice) == [(BLOCKS.id, 5)]
    await attest(alice)
    both = [(CONTENT.id, RESULT), (BLOCKS.id, 5)]
    assert await listed(alice) == both
    assert await listed(alice, "&tag=none") == []
    named_as_a_search_does = await alice.client.get("/api/registry/genomes?sort=attested")
    in_order = await alice.client.get("/api/registry/genomes?sort_by=attested")
    assert named_as_a_search_does.json() == in_order.json()
    by_name = await alice.client.get("/api/registry/genomes?sort=name&sort_by=attested")
    assert [one["id"] for one in by_name.json()["genomes"]] != [one for one, _ in both]
    first = (await alice.client.get("/api/registry/genomes?sort_by=attested&limit=1")).json()
    rest = await listed(alice, f"&limit=1&cursor={first['next']}")
    assert [(one["id"], RESULT) for one in first["genomes"]] + rest == both
    (glider,) = first["genomes"]
    assert glider["attested"]["attestors"] == [alice.node.identity.did]
    assert glider["attested"]["contradictions"] == 1
    one = (await alice.client.get(f"/api/registry/genomes/{BLOCKS.id}")).json()
    assert one["attested"]["attestors"] == [BOB.did]
    # Where one would have to look at more than a page is worth, it is short and says how to go on.
    monkeypatch.setattr("node.services.attested.SCANNED_MAX", 1)
    path = "/api/registry/genomes?sort_by=attested&tag=nothing"
    short = (await alice.client.get(path)).json()
    assert short["genomes"] == []
    end = (await alice.client.get(f"{path}&cursor={short['next']}")).json()
    assert (end["genomes"], end["next"]) == ([], None)


async def test_a_borrowed_name_makes_no_evaluator_rank(alice: Alice) -> None:
    """Carol and bob say that some bytes are a module of the other's, and carol life-score's; bob,
    who is followed, says that they are his own, and never published them.
    """
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    evil = dataclasses.replace(QUESTION, evaluator=bytes([9]) * 32)
    worse = dataclasses.replace(QUESTION, evaluator=bytes([8]) * 32)
    entries: list[SignedEntry] = []
    for who, about, name in (
        (BOB, evil, f"{CAROL.did}/org.example.judge"),
        (CAROL, evil, f"{BOB.did}/org.example.judge"),
        (BOB, worse, f"{BOB.did}/org.example.judge"),
        (CAROL, worse, LIFE.id),
    ):
        edit = say_run(about, name, "1.0.0", ran(9 * 10**15), who.signer.device.public)
        document = document_of(AuthorKey(who.root.public), about, COMMONS)
        entries += who.writes(document, edit)
    assert not (await alice.node.store.receive(entries, source="x")).refused
    assert await listed(alice) == []
    found = await fitness(alice)
    assert found["result"] is None
    assert {one["module"] for one in found["evaluations"]} == {None}
    assert {one["evaluator"] for one in found["evaluations"]} == {
        evil.evaluator.hex(),
        worse.evaluator.hex(),
    }


async def test_what_somebody_followed_published_ranks_by_its_bytes(alice: Alice) -> None:
    """Whatever those who ran it call it."""
    await publish(alice.node)
    module = await alice.client.post("/api/modules", json=evaluator("(i64.const 7)"))
    name = module.json()["module"]
    done = await attest(alice, **{"with": name})
    about = dataclasses.replace(QUESTION, evaluator=bytes.fromhex(done["judgement"]["evaluator"]))
    edit = say_run(about, "org.example.other", "9.9.9", ran(7), BOB.signer.device.public)
    document = document_of(AuthorKey(BOB.root.public), about, COMMONS)
    assert not (await alice.node.store.receive(BOB.writes(document, edit), source="x")).refused
    (one,) = (await fitness(alice))["evaluations"]
    assert (one["module"], one["version"], one["standard"]) == (name, "1.0.0", True)
    assert await listed(alice) == [(CONTENT.id, 7)]


async def test_modules_that_a_stranger_makes_up_hide_no_verified_result(alice: Alice) -> None:
    """As many as are looked up, of somebody followed by their names, and before the right one."""
    await publish(alice.node)
    await alice.client.post("/api/modules", json=evaluator("(i64.const 7)"))
    await attest(alice, **{"with": "org.example.judge"})
    bobs = AuthorKey(BOB.root.public)
    entries: list[SignedEntry] = []
    for number in range(MODULES_LOOKED_UP_MAX):
        about = Evaluation(CONTENT.identity, number.to_bytes(32, "big"), 0, 1)
        module = f"{alice.node.identity.did}/org.a.n{number:03}"
        edit = say_claim(about, module, "1.0.0", 9, now_us=1)
        entries.append(BOB.writes(document_of(bobs, about, COMMONS), edit)[0])
    assert not (await alice.node.store.receive(entries, source="x")).refused
    found = await fitness(alice)
    assert len(found["evaluations"]) == MODULES_LOOKED_UP_MAX + 1
    assert found["result"] == 7
    assert await listed(alice) == [(CONTENT.id, 7)]


async def test_strangers_are_shown_and_are_no_alarm(alice: Alice) -> None:
    await publish(alice.node)
    entries = [runs(CAROL, 1), claims(BOB, 2)]
    assert not (await alice.node.store.receive(entries, source="x")).refused
    done = await attest(alice)
    one = done["judgement"]
    assert (len(one["contradictions"]), one["disputed"]) == (2, False)
    assert {word["trusted"] for word in one["contradictions"]} == {False}
    await alice.node.store.set_petname("carol", CAROL.did)
    tried = (await attest(alice, dry_run=True))["judgement"]
    assert (tried["disputed"], tried["result"]) == (True, RESULT)
    shown = (await alice.client.get(f"/api/registry/genomes/{CONTENT.id}")).json()["attested"]
    assert (shown["contradictions"], shown["disputed"]) == (1, 1)


async def test_a_dry_run_is_compared_with_what_others_ran(alice: Alice) -> None:
    await publish(alice.node)
    assert not (await alice.node.store.receive([runs(BOB, 1)], source="x")).refused
    await alice.node.store.set_petname("bob", BOB.did)
    tried = await attest(alice, dry_run=True)
    assert (tried["result"], tried["judgement"]["disputed"]) == (RESULT, True)
    assert (await fitness(alice))["result"] == 1, "and nothing was signed"


async def test_a_lucky_seed_ranks_behind_the_standard_question(alice: Alice) -> None:
    await publish(alice.node)
    await publish(alice.node, BLOCKS, BLOCK)
    await alice.node.store.set_petname("bob", BOB.did)
    lucky = dataclasses.replace(QUESTION, seed=4_711)
    low = Evaluation(BLOCKS.identity, LIFE.blake3, 0, 1_000)
    entries = [runs(BOB, 9 * 10**15, lucky), runs(BOB, 5, low)]
    assert not (await alice.node.store.receive(entries, source="x")).refused
    assert await listed(alice) == [(BLOCKS.id, 5), (CONTENT.id, 9 * 10**15)]
    first = (await alice.client.get("/api/registry/genomes?sort_by=attested&limit=1")).json()
    assert await listed(alice, f"&limit=1&cursor={first['next']}") == [(CONTENT.id, 9 * 10**15)]


async def test_what_was_said_is_taken_back_and_gone_everywhere(alice: Alice) -> None:
    await publish(alice.node)
    await attest(alice, claim=5)
    await attest(alice)
    assert await listed(alice) == [(CONTENT.id, RESULT)]
    answer = await alice.client.delete(f"{PATH}?claim_only=true")
    assert answer.status_code == 204, answer.text
    (one,) = (await fitness(alice))["evaluations"]
    assert [word["claimed"] for word in one["words"]] == [False]
    gone = await alice.client.delete(f"{PATH}?claim_only=true")
    assert (gone.status_code, gone.json()["code"]) == (404, "not-claimed")
    assert (await alice.client.delete(f"{PATH}?with=io.panspermia.life-score")).status_code == 204
    assert (await fitness(alice))["evaluations"] == []
    assert await listed(alice) == []
    shown = (await alice.client.get(f"/api/registry/genomes/{CONTENT.id}")).json()
    assert "attested" not in shown
    again = await attest(alice)
    assert (again["judgement"]["state"], len(again["judgement"]["words"])) == ("verified", 1)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?seed=7", 404, "not-claimed"),
        ("?ticks=7", 404, "not-claimed"),
        ("?with=io.panspermia.forager", 404, "not-claimed"),
        ("?with=io.panspermia.life-score@9.9.9", 404, "not-claimed"),
        ("", 409, "ambiguous-evaluator"),
        ("?seed=many", 400, "bad-query"),
    ],
)
async def test_what_cannot_be_taken_back_stays(
    alice: Alice, query: str, status: int, code: str
) -> None:
    await publish(alice.node)
    await alice.client.post("/api/modules", json=evaluator("(i64.const 7)"))
    await attest(alice)
    other = await attest(alice, **{"with": "org.example.judge"})
    answer = await alice.client.delete(f"{PATH}{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len((await fitness(alice))["evaluations"]) == 2
    for with_ in (other["judgement"]["evaluator"], f"{LIFE.id}@{LIFE.version}"):
        assert (await alice.client.delete(f"{PATH}?with={with_}")).status_code == 204
    assert (await fitness(alice))["evaluations"] == []


async def test_what_others_say_cannot_be_taken_back(alice: Alice) -> None:
    """Nor need the genome be here for what one said oneself."""
    assert not (await alice.node.store.receive([runs(BOB, 1)], source="x")).refused
    answer = await alice.client.delete(PATH)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-claimed")
    answer = await alice.client.delete(PATH.replace(CONTENT.id, "glider"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-genome")


async def searched(alice: Alice, query: str = "") -> list[str]:
    answer = await alice.client.get(f"/api/search?sort=attested{query}")
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total"] >= len(page["results"])
    return [one["id"].rpartition("/")[2] for one in page["results"]]


async def test_a_search_in_the_order_of_what_is_verified(alice: Alice) -> None:
    await publish(alice.node)
    await publish(alice.node, BLOCKS, BLOCK)
    other = Content.of(b"x = 1, y = 1\no!\n", format="rle", file="dot.rle")
    await publish(alice.node, other, b"x = 1, y = 1\no!\n")
    about = Evaluation(BLOCKS.identity, LIFE.blake3, 0, 1_000)
    entries = [runs(BOB, 5, about), runs(BOB, 7), claims(CAROL, 6)]
    assert not (await alice.node.store.receive(entries, source="x")).refused
    assert await searched(alice) == [], "of strangers' runs nothing is verified"
    await alice.node.store.set_petname("bob", BOB.did)
    both = [CONTENT.id, BLOCKS.id]
    for query in ("", "&q=glider", "&q=glidr", "&kind=genome", "&tag=spaceship", "&format=rle"):
        assert await searched(alice, query) == both, query
    for query in ("&q=nothing", "&kind=seed", "&tag=none", "&format=neat-network"):
        assert await searched(alice, query) == [], query
    first = (await alice.client.get("/api/search?sort=attested&limit=1&facets=kind")).json()
    assert (first["total"], first["facets"]["kind"]) == (2, [{"value": "genome", "count": 2}])
    (hit,) = first["results"]
    assert (hit["attested"]["result"], hit["attested"]["attestors"]) == (7, [BOB.did])
    assert hit["attested"]["contradicted_by"] == [CAROL.did]
    last = (
        await alice.client.get(
            f"/api/search?sort=attested&limit=1&facets=kind&cursor={first['next']}"
        )
    ).json()
    assert ([one["attested"]["result"] for one in last["results"]], last["next"]) == ([5], None)
    plain = (await alice.client.get("/api/search?q=glider")).json()
    assert len(plain["results"]) == 3
    assert {one["attested"] for one in plain["results"]} == {None}


async def test_a_genome_that_many_published_is_found_once(alice: Alice) -> None:
    await publish(alice.node)
    words = Words("Bobs", "His.", "CC0-1.0", tags=("his",))
    edit = genome.publish_genome(CONTENT, words, genome.Facts(), now_us=1)
    document = DocumentId(
        COMMONS, AuthorKey(BOB.root.public), genome.CLASS, genome.KIND, CONTENT.identity
    )
    entries = [*BOB.writes(document, edit), runs(BOB, 5)]
    assert not (await alice.node.store.receive(entries, source="x")).refused
    await alice.node.store.set_petname("bob", BOB.did)
    await alice.search_sees_it()
    page = (await alice.client.get("/api/search?sort=attested")).json()
    assert [one["author"] for one in page["results"]] == [alice.node.identity.did]
    page = (await alice.client.get("/api/search?sort=attested&tag=his")).json()
    assert [one["author"] for one in page["results"]] == [BOB.did]


EVALUATOR = """(module (memory (export "memory") 1 1)
  (func (export "eval_abi") (result i32) (i32.const 1))
  (func (export "alloc") (param i32) (result i32) (i32.const 0))
  (func (export "evaluate") (param i32 i32 i64 i64) (result i64) {}))"""


def evaluator(body: str) -> dict[str, Any]:
    wasm = bytes(wasmtime.wat2wasm(EVALUATOR.format(body)))
    return {**new_module("org.example.judge"), "wasm": base64.b64encode(wasm).decode()}


async def test_an_evaluator_that_somebody_published(alice: Alice) -> None:
    await publish(alice.node)
    published = await alice.client.post("/api/modules", json=evaluator("(i64.const 7)"))
    assert published.status_code == 201, published.text
    done = await attest(alice, **{"with": "org.example.judge"})
    assert done["result"] == 7
    assert done["judgement"]["module"] == f"{alice.node.identity.did}/org.example.judge"


@pytest.mark.parametrize(
    ("with_", "status", "code"),
    [
        ("org.example.nothing", 404, "unknown-module"),
        ("org.example.judge", 422, "not-an-evaluator"),
        ("org.example.judge@9.9.9", 404, "unknown-version"),
    ],
)
async def test_what_cannot_be_attested_is_said_and_signs_nothing(
    alice: Alice, with_: str, status: int, code: str
) -> None:
    await publish(alice.node)
    await alice.client.post("/api/modules", json=new_module("org.example.judge"))
    answer = await alice.client.post(PATH, json={"with": with_})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await fitness(alice))["evaluations"] == []


@pytest.mark.parametrize("id", TICKS_MAX)
async def test_no_more_ticks_are_asked_than_an_evaluator_judges(alice: Alice, id: str) -> None:
    data = GLIDER if id == LIFE.id else files.GENOTYPE
    content = Content.of(data, format="rle" if id == LIFE.id else "primordium-genotype", file="a")
    await publish(alice.node, content, data)
    path = f"/api/registry/genomes/{content.id}/attestations"
    for claim in (None, 7):
        body = {"with": id, "ticks": TICKS_MAX[id] + 1, "claim": claim}
        answer = await alice.client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-evaluation")
        assert f"judges at most {TICKS_MAX[id]:,}" in answer.json()["detail"]
    assert (await alice.client.get(path)).json()["evaluations"] == []
    most = await alice.client.post(path, json={"with": id, "ticks": TICKS_MAX[id]})
    assert most.json()["ending"] == "result", "the bound is the module's own"
    (wasm,) = (one.wasm for one in evaluators() if one.id == id)
    found = await alice.node.workers.evaluate(wasm, data, seed=0, ticks=TICKS_MAX[id] + 1)
    assert str(found.answer) == "unjudged"


async def test_a_seed_is_said_to_be_one(alice: Alice) -> None:
    body = {"config": base64.b64encode(files.CONFIG).decode(), "name": "Pond"}
    answer = await alice.client.post("/api/registry/seeds", json=body)
    assert answer.is_success, answer.text
    id = answer.json()["id"]
    for name in (id, id[:8], f"{alice.node.identity.did}%2F{id}"):
        for ask in (alice.client.get, partial(alice.client.post, json={})):
            told = await ask(f"/api/registry/genomes/{name}/attestations")
            assert (told.status_code, told.json()["code"]) == (404, "unknown-genome")
            assert "is a seed, and only genomes are evaluated" in told.json()["detail"]


async def test_genomes_that_are_not_here(alice: Alice) -> None:
    for name in ("ab" * 32, f"{BOB.did}%2F{'ab' * 32}", "glider"):
        answer = await alice.client.get(f"/api/registry/genomes/{name}/attestations")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-genome")
    data = b"nobody knows what this is"
    await publish(alice.node, Content.of(data), data)
    other = f"/api/registry/genomes/{Content.of(data).id}/attestations"
    answer = await alice.client.post(other, json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "no-evaluator")
    wrong = await alice.client.post(other, json={"claim": 1 << 63})
    assert wrong.status_code == 422
