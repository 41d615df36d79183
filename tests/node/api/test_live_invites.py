"""Short codes over HTTP: made once shown, listed without their secret, cancelled."""

import asyncio
from dataclasses import replace

from crdt.did import encode_did_key
from node.api.routes.live_invites import keeper
from node.identity import seal_author
from node.pairing import TOLD_AFTER_US, post_whereabouts
from p2p.protocol.invites.code import read_code
from p2p.protocol.invites.keys import meeting_of, open_whereabouts
from p2p.protocol.invites.link import read_link
from tests.node.api.test_namespaces import PASSPHRASE, created, post, problem
from tests.node.parts import Alice
from tests.storage.test_invites import INVITE

WAIT_S = 60.0


async def test_a_short_code_is_shown_once(alice: Alice) -> None:
    await created(alice)
    wish = {"namespace": "guild", "level": "write", "note": "hello"}
    made = await post(alice, "/api/invites", wish)
    link = read_link(made["link"])
    assert read_code(made["code"]) == link.secret
    assert (link.device, link.places) == (alice.node.identity.device.public, ("10.0.0.1:4747",))
    assert made["words"] == [
        "Whoever uses it may write everything of theirs in the namespace guild",
        "Whoever uses it may read everything of everyone in the namespace guild",
        "They join the namespace guild",
        "They say: hello",
    ]
    answer = await alice.client.get("/api/invites")
    (listed,) = answer.json()["invites"]
    assert (listed["id"], listed["state"], listed["did"]) == (made["id"], "open", None)
    secrets = (made["code"], made["code"].replace("-", ""), made["link"], link.secret.hex())
    assert not [one for one in secrets if one in answer.text]
    del alice.client.headers["authorization"]
    assert (await alice.client.get("/api/invites")).status_code == 401


async def test_an_answer_with_a_secret_is_not_kept_for_repeating(alice: Alice) -> None:
    headers = {"Idempotency-Key": "the same"}
    both = [await alice.client.post("/api/invites", json={}, headers=headers) for _ in range(2)]
    assert both[0].json()["code"] != both[1].json()["code"]


async def test_one_is_cancelled_by_the_beginning_of_its_id(alice: Alice) -> None:
    made = await post(alice, "/api/invites", {"expires_s": 60})
    answer = await alice.client.delete(f"/api/invites/{made['id'][:6]}")
    assert answer.status_code == 204
    (listed,) = (await alice.client.get("/api/invites")).json()["invites"]
    assert listed["state"] == "cancelled"
    again = await alice.client.delete(f"/api/invites/{made['id']}")
    assert problem(again) == (409, "invite-over")
    unheard = await alice.client.delete("/api/invites/0123456789abcdef")
    assert problem(unheard) == (404, "unknown-invite")


async def test_one_that_another_version_stored_is_shown_as_such_and_can_be_removed(
    alice: Alice,
) -> None:
    made = await post(alice, "/api/invites", {})
    await alice.node.store.add_invite(replace(INVITE, terms=b"\x81\x00"))
    both = (await alice.client.get("/api/invites")).json()["invites"]
    assert {one["id"]: one["type"] for one in both} == {
        made["id"]: "pair",
        INVITE.id.hex(): "unreadable",
    }
    (words,) = (one["words"] for one in both if one["type"] == "unreadable")
    assert "cancel it" in words[0]
    path = f"/api/invites/{INVITE.id.hex()}"
    assert (await alice.client.delete(path)).status_code == 204
    again = await alice.client.delete(path)
    assert problem(again) == (404, "unknown-invite"), "nothing of it was left"
    (left,) = (await alice.client.get("/api/invites")).json()["invites"]
    assert left["id"] == made["id"]


async def test_only_what_one_has_is_given(alice: Alice) -> None:
    refused = await alice.client.post("/api/invites", json={"areas": ["*"]})
    assert problem(refused) == (403, "no-capability")
    for whom in ({}, {"receiver": encode_did_key(bytes([2]) * 32), "level": "write"}):
        body = {"areas": ["me/_auth"], **whom}
        refused = await alice.client.post("/api/invites", json=body)
        assert problem(refused) == (403, "no-capability")
        assert "signed by the key of their author" in refused.json()["detail"]
    given = await post(alice, "/api/invites", {"areas": ["me/pub/mod/org.example.add"]})
    assert "may write the module org.example.add of you" in given["words"][0]
    for more, status, code in (
        ({"device": True, "level": "admin"}, 400, "bad-request"),
        ({"expires_s": 5}, 422, "invalid-body"),
        ({"until": "2020-01-01"}, 400, "bad-date"),
        ({"namespace": "guild"}, 404, "unknown-namespace"),
    ):
        answer = await alice.client.post("/api/invites", json=more)
        assert problem(answer) == (status, code), answer.text


async def test_no_link_is_made_of_what_is_no_address(alice: Alice) -> None:
    bob = encode_did_key(bytes([2]) * 32)
    for wrong in (
        "x y:1", "http://foo", "127.0.0.1:99999", "0.0.0.0:0", "0.0.0.0:4747", "ws://[::]:80/",
        "", "bücher.example:1", "a" * 300 + ":1", "circuit:nobody@relay.example:1",
    ):  # fmt: skip
        for more in ({}, {"device": True}, {"receiver": bob}):
            body = {"addresses": ["192.0.2.7:4747", wrong], **more}
            answer = await alice.client.post("/api/invites", json=body)
            if len(wrong) > 300:
                assert problem(answer) == (422, "invalid-body")
                continue
            assert problem(answer) == (400, "bad-address"), (wrong, answer.text)
            assert answer.json()["errors"][0]["pointer"] == "/addresses/1"
    assert (await alice.client.get("/api/invites")).json()["invites"] == []
    places = [" node.example ", "wss://node.example", "127.0.0.1:9"]
    made = await post(alice, "/api/invites", {"addresses": places})
    told = read_link(made["link"]).places
    assert told == ("node.example:4747", "wss://node.example/", "127.0.0.1:9")


async def test_relays_tell_of_an_invite_for_a_while_after_it_ended(alice: Alice) -> None:
    made = await post(alice, "/api/invites", {"expires_s": 60})
    (one,) = await alice.node.store.invites()
    assert one.key is not None
    relay, pairing = OneRelay(), alice.node.pairing
    at_a_relay = replace(pairing, ways=replace(pairing.ways, meetings=lambda: (relay,)))
    posting = asyncio.create_task(post_whereabouts(at_a_relay, keeper(alice.node)))
    try:
        async with asyncio.timeout(WAIT_S):
            tag, sealed, until_us = await relay.posts.get()
    finally:
        posting.cancel()
    assert (tag, until_us - one.expires_us) == (meeting_of(one.key), TOLD_AFTER_US)
    told = open_whereabouts(one.key, sealed)
    assert told.places == ("10.0.0.1:4747",), "whoever comes late asks the node, and is told"
    assert made["id"] == one.id.hex()


class OneRelay:
    """Keeps what is posted, for the test to take."""

    def __init__(self) -> None:
        self.posts: asyncio.Queue[tuple[bytes, bytes, int]] = asyncio.Queue()

    def __str__(self) -> str:
        return "relay://relay.example:4747"

    async def post(self, tag: bytes, sealed: bytes, until_us: int) -> None:
        self.posts.put_nowait((tag, sealed, until_us))

    async def fetch(self, tag: bytes) -> bytes | None:
        return None


async def test_the_root_key_is_needed_to_invite(alice: Alice) -> None:
    await created(alice)
    seal_author(alice.node.home, PASSPHRASE)
    wish = {"namespace": "guild", "level": "read"}
    assert problem(await alice.client.post("/api/invites", json=wish)) == (403, "sealed")
    await post(alice, "/api/invites", {**wish, "passphrase": PASSPHRASE})
    nothing = await post(alice, "/api/invites", {})
    assert nothing["words"] == [
        "Gives no right: the two nodes come to know each other, and connect"
    ]


async def test_what_was_typed_is_in_no_list_of_what_was_refused(alice: Alice) -> None:
    code = (await post(alice, "/api/invites", {}))["code"]
    slip = "Z" if code[0] != "Z" else "Y"
    answer = await alice.client.post("/api/invites/accept", json={"code": slip + code[1:]})
    assert problem(answer) == (400, "invite-mistyped")
    alone = await alice.client.post("/api/invites/accept", json={"code": code})
    assert problem(alone) == (504, "invite-not-found")
    listed = await alice.client.get("/api/refused")
    assert code[5:] not in listed.text
    assert code[5:9] not in answer.text
