"""Alice blocks whom she never wants to hear from, and forgives those who were refused."""

from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SigningKey
from tests.node.parts import Alice

CAROL = encode_did_key(SigningKey.from_seed(bytes([7]) * 32).public)


async def blocked(at: Alice) -> list[tuple[str, str]]:
    page = (await at.client.get("/api/blocked")).json()
    return [(one["did"], one["reason"]) for one in page["blocked"]]


async def test_blocked_listed_and_heard_again(alice: Alice) -> None:
    assert await blocked(alice) == []
    made = await alice.client.put(f"/api/blocked/{CAROL}", json={"reason": "spam"})
    assert (made.status_code, made.json()["did"]) == (200, CAROL)
    assert alice.network.is_told_of_blocks
    assert alice.node.store.is_blocked(decode_did_key(CAROL))
    assert await blocked(alice) == [(CAROL, "spam")]
    assert (await alice.client.delete(f"/api/blocked/{CAROL}")).status_code == 204
    again = await alice.client.delete(f"/api/blocked/{CAROL}")
    assert (again.status_code, again.json()["code"]) == (404, "not-blocked")
    assert await blocked(alice) == []


async def test_a_name_stands_for_an_author(alice: Alice) -> None:
    await alice.client.put("/api/names/carol", json={"author": CAROL})
    assert (await alice.client.put("/api/blocked/carol", json={})).json()["did"] == CAROL
    nobody = await alice.client.put("/api/blocked/dave", json={})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown-petname")
    assert await blocked(alice) == [(CAROL, "")]


async def test_nobody_blocks_himself(alice: Alice) -> None:
    for did in (alice.node.identity.did, alice.node.identity.device_did):
        answer = await alice.client.put(f"/api/blocked/{did}", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "blocks-itself")
    assert await blocked(alice) == []


async def test_forgiving_asks_the_network(alice: Alice) -> None:
    alice.network.offenders = ("192.0.2.7", "2001:db8::/64")
    for who in ("192.0.2.7", "2001:db8::%2F64"):
        assert (await alice.client.delete(f"/api/refused-peers/{who}")).status_code == 204
    nobody = await alice.client.delete(f"/api/refused-peers/{CAROL}")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown-peer")
