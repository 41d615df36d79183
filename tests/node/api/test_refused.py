"""What was refused can be listed with its reason: at the door, and held without counting."""

import asyncio
import itertools

import pytest

from crdt.did import encode_did_key
from node.refusals import LATEST_US, PENDING_MAX, Refusals, show_held, who
from node.tasks import background_tasks
from p2p.protocol.errors import RemoteProtocolError
from storage.documents import LeftOutRow
from tests.node.modules import ADD, new_module
from tests.node.parts import Alice
from tests.storage.people import BOB, named


async def equivocate(alice: Alice) -> None:
    """Bob's copied device key signs two first changes; one loses, with what was built on it."""
    document = BOB.document("io.bob.clock")
    lost = BOB.writes(document, named("one"), named("two"))
    others = (BOB.writes(document, named(f"other {n}")) for n in itertools.count())
    stands = next(
        one for (one,) in others if one.entry.payload_digest < lost[0].entry.payload_digest
    )
    received = await alice.node.store.receive([*lost, stands], source="peer")
    assert not received.refused


async def test_what_is_held_and_does_not_count_is_listed(alice: Alice) -> None:
    await equivocate(alice)
    status = (await alice.client.get("/api/status")).json()
    assert status["left_out"] == 2
    assert "panspermia refused" in status["warnings"][-1]
    page = (await alice.client.get("/api/refused")).json()
    assert [(one["code"], one["held"]) for one in page["refused"]] == [
        ("excluded-dependency", True),
        ("lost-branch", True),
        ("unprojectable", False),  # what stands says nothing a module must say
    ]
    lost = page["refused"][1]
    assert lost["where"] == "/pub/mod/io.bob.clock"
    assert lost["source"] == encode_did_key(BOB.signer.device.public)
    assert "the other one stands" in lost["detail"]
    assert page["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7])
async def test_pages_go_through_both(alice: Alice, limit: int) -> None:
    await equivocate(alice)
    for number in range(3):
        await alice.node.store.refuse("carol", f"thing {number}", "bad", "it was bad", b"x")
    seen: list[tuple[bool, int]] = []
    cursor = ""
    for _ in range(10):
        page = (await alice.client.get(f"/api/refused?limit={limit}{cursor}")).json()
        assert len(page["refused"]) <= limit
        seen += [(one["held"], one["id"]) for one in page["refused"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert [held for held, _ in seen] == [True, True, *[False] * 4]
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("/api/modules", b"{", "not-json"),
        ("/api/modules", b'{"manifest": 7, "wasm": ""}', "invalid-body"),
        ("/api/modules", b'{"manifest": "[module", "wasm": ""}', "invalid-manifest"),
        ("/api/modules/io.alice.a/ratings", b'{"stars": 9}', "invalid-body"),
        ("/api/resolve", b'{"requirements": ["io.alice.a@banana"]}', "invalid-range"),
        ("/api/sync", b" " * (2 << 20), "body-too-large"),
    ],
)
async def test_bad_input_of_a_client_is_listed(
    alice: Alice, path: str, content: bytes, code: str
) -> None:
    typed = {"content-type": "application/json"}
    await alice.client.post(path, content=content, headers=typed)
    answer = await alice.client.post(path, content=content, headers=typed)
    assert answer.json()["code"] == code
    (one,) = (await alice.client.get("/api/refused")).json()["refused"]
    assert (one["source"], one["where"], one["code"]) == ("api", f"POST {path}", code)
    assert (one["detail"], one["count"], one["held"]) == (answer.json()["detail"], 2, False)


@pytest.mark.parametrize(
    ("path", "where", "code"),
    [
        ("/api/search?limit=banana", "/api/search", "bad-query"),
        ("/api/search?kind=No!", "/api/search", "bad-query"),
        ("/api/modules/No%20name%1b", "/api/modules/No name\x1b", "invalid-name"),
        ("/api/blobs/zz", "/api/blobs/zz", "bad-blob-id"),
    ],
)
async def test_a_bad_question_of_a_client_is_listed(
    alice: Alice, path: str, where: str, code: str
) -> None:
    answer = await alice.client.get(path)
    assert answer.json()["code"] == code
    (one,) = (await alice.client.get("/api/refused")).json()["refused"]
    assert (one["source"], one["where"], one["code"]) == ("api", f"GET {where}", code)
    assert one["detail"] == answer.json()["detail"]
    assert (await alice.client.get("/api/modules/io.nobody.knows")).status_code == 404
    assert len((await alice.client.get("/api/refused")).json()["refused"]) == 1


async def test_who_may_not_write_fills_no_list(alice: Alice) -> None:
    alice.client.headers.pop("Authorization")
    typed = {"content-type": "application/json"}
    assert (await alice.client.post("/api/modules", content=b"{", headers=typed)).status_code == 401
    assert (await alice.client.post("/api/resolve", content=b"{", headers=typed)).status_code >= 400
    assert (await alice.client.get("/api/search?limit=banana")).status_code == 400
    assert (await alice.client.get("/api/refused")).json()["refused"] == []


async def test_a_body_that_names_what_nobody_knows_is_listed(alice: Alice) -> None:
    body = new_module("org.example.add", "1.0.0", ADD, needs={"bob/org.example.other": "^1"})
    assert (await alice.client.post("/api/modules", json=body)).json()["code"] == "unknown-petname"
    await alice.client.get("/api/modules/org.example.nowhere")
    (one,) = (await alice.client.get("/api/refused")).json()["refused"]
    assert (one["where"], one["code"]) == ("POST /api/modules", "unknown-petname")
    assert "'bob'" in one["detail"]


async def test_what_a_client_did_not_send_can_be_noted(alice: Alice) -> None:
    note = {"where": "./mine/gen.toml", "code": "invalid-manifest", "detail": "is no TOML"}
    assert (await alice.client.post("/api/refused", json=note)).status_code == 201
    (one,) = (await alice.client.get("/api/refused")).json()["refused"]
    assert (one["source"], one["where"], one["code"]) == ("client", note["where"], note["code"])
    assert (await alice.client.post("/api/refused", json={**note, "code": "No!"})).is_error


async def test_whatever_peers_do_wrong_is_noted_within_bounds(alice: Alice) -> None:
    """Faster than it is written: every kind of offence is listed, and each one counted."""
    refusals = Refusals(alice.node.store)
    for number in range(PENDING_MAX + 5):
        refusals.note(f"host {number}", "what it sent", RemoteProtocolError("noise", "No."))
    for number in range(3):
        refusals.note(f"late {number}", "what it sent", RemoteProtocolError("flood", "Too much."))
    refusals.note("host 7", "what it sent", RemoteProtocolError("noise", "No."))
    async with background_tasks() as tasks:
        tasks.create_task(refusals.run())
        async with asyncio.timeout(10):
            await refusals.all_written()
    rows = await alice.node.store.refused(1_000)
    assert len(rows) == PENDING_MAX + 2
    times = {(row.refusal.source, row.refusal.code): row.count for row in rows}
    assert times["several peers", "noise"] == 5
    assert times["several peers", "flood"] == 3
    assert times["host 7", "noise"] == 2
    assert sum(times.values()) == PENDING_MAX + 9


def test_a_date_that_nobody_can_print() -> None:
    row = LeftOutRow(1, BOB.document("io.bob.clock"), BOB.signer.device.public, 1 << 64, "revoked")
    assert show_held(row).at.startswith("9999-12-31")
    assert LATEST_US < 1 << 64


def test_a_peer_goes_by_its_did() -> None:
    key = BOB.signer.device.public
    assert who(key.hex()) == encode_did_key(key)
    assert [who(other) for other in ("api", "x" * 64)] == ["api", "x" * 64]
