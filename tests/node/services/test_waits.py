"""What waits is told by who brought it and why, in the status too, and only until it counts."""

from pathlib import Path

from msgspec.structs import replace

from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import SignedEntry, Signer, log_of
from crdt.did import encode_did_key
from crdt.keys import COMMONS, AuthorKey
from crdt.path import AUTHORITY
from crdt.statement import Heartbeat
from storage.letters import NewLetter
from storage.store import open_store
from tests.node.parts import BOB, Alice
from tests.storage.people import CAROL, NOW_US, named, project

AUTHOR = AuthorKey(CAROL.root.public)
BY_BOB = bytes([7]) * 32


async def beat_and_change(folder: Path) -> tuple[SignedEntry, SignedEntry]:
    """A statement of carol's, and a change that cites it."""
    right = encode_capability(Capability(WRITE, COMMONS, AUTHOR))
    root = Signer(CAROL.root, AUTHOR, {AUTHORITY: right})
    path = folder / "carol.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as hers:
        beat = await hers.declare(Heartbeat(), log_of(COMMONS, AUTHOR, AUTHORITY), root)
        change = await hers.commit(CAROL.document("io.x"), named("x"), CAROL.signer)
    assert change is not None
    return beat.signed, change.signed


async def test_an_entry_that_waits_for_authority_is_shown_beside_the_peer_that_brought_it(
    alice: Alice, tmp_path: Path
) -> None:
    beat, change = await beat_and_change(tmp_path)
    bob = replace(BOB, device=encode_did_key(BY_BOB))
    alice.network.connected.append(bob)
    store, client = alice.node.store, alice.client
    await store.receive([change], source=BY_BOB.hex())

    (peer,) = (await client.get("/api/peers")).json()["peers"]
    (waits,) = peer["waits"]
    assert (waits["code"], waits["count"]) == ("unknown-authority", 1)
    assert "that statement is not here" in waits["why"]
    status = (await client.get("/api/status")).json()
    assert status["waits"] == [waits]
    assert status["left_out"] == 1
    assert (
        f"1 change is held and waits: {waits['why']}; see `panspermia peers`"
        in (status["warnings"])
    )
    assert not any("not count" in one for one in status["warnings"])

    await store.receive([beat], source=BY_BOB.hex())
    (peer,) = (await client.get("/api/peers")).json()["peers"]
    assert peer["waits"] == []
    assert (await client.get("/api/status")).json()["waits"] == []


async def test_the_status_counts_unread_letters(alice: Alice) -> None:
    async def unread() -> int:
        status = (await alice.client.get("/api/status")).json()
        return int(status["letters"]["unread"])

    assert await unread() == 0
    letter = NewLetter(BY_BOB, BY_BOB, bytes(16), "text", "hello", NOW_US, "relay://a:1")
    number = await alice.node.store.keep_letter(letter, is_named=False)
    assert await unread() == 1
    await alice.client.post(f"/api/letters/{number}/read", json={})
    assert await unread() == 0
