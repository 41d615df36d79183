"""What is kept because records name it, as a client sees it."""

from pathlib import Path

from crdt.blob import BlobId, manifest_of
from crdt.keys import AuthorKey
from node.commands.status import kept_text
from node.config import Config, KeepConfig
from node.keeping.plan import Claim, decide
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB

DATA = b"bytes that bob named once" * 100
BLOB = manifest_of(DATA).id
AUTHOR = AuthorKey(BOB.root.public)


async def keep(alice: Alice) -> None:
    """As it comes from a peer, for nobody."""
    store, manifest = alice.node.store, manifest_of(DATA)
    with store.keeping(BLOB, AUTHOR):
        await store.begin_blob(BLOB, manifest.root)
    await store.add_page(BLOB, 0, manifest.pages[0])
    assert await store.add_chunks(BLOB, [(0, DATA)])


async def test_what_is_kept_for_whom_and_what_waits(tmp_path: Path) -> None:
    async with open_alice(tmp_path, config=Config(keep=KeepConfig("1MiB"))) as alice:
        assert (await alice.client.get("/api/status")).json()["keep"] == {
            "budget_bytes": 1 << 20, "bytes": 0, "blobs": 0, "fetching": 0, "waits": [],
        }  # fmt: skip
        await keep(alice)
        missing, giant = BlobId(b"m" * 32), BlobId(b"g" * 32)
        claims = [Claim(missing, AUTHOR, None, 70, 1), Claim(giant, AUTHOR, None, 2 << 20, 2)]
        alice.node.keeping.plan = decide(claims, (), 1 << 20)
        answer = (await alice.client.get("/api/kept")).json()
        assert answer["shares"] == [
            {
                "author": BOB.did, "namespace": None, "share_bytes": 70, "bytes": len(DATA),
                "blobs": 1,
            }
        ]  # fmt: skip
        assert [(one["id"], one["why"]) for one in answer["waits"]] == [
            (missing.hex(), "no peer is connected"),
            (giant.hex(), "larger than the share"),
        ]
        (one,) = answer["blobs"]
        assert (one["id"], one["whole"], one["chosen"]) == (BLOB.hex(), True, False)
        status = (await alice.client.get("/api/status")).json()
        assert status["keep"] == answer["keep"]
        assert kept_text(status["keep"]) == (
            "1 of them for others' records, 2.4 KiB of 1.0 MiB; 1 wait: larger than the share;"
            " 1 wait: no peer is connected"
        )
        metrics = (await alice.client.get("/metrics")).text
        assert "\npanspermia_kept_bytes 2500\n" in metrics
        assert "\npanspermia_kept_waiting 2\n" in metrics


async def test_what_nobody_who_counts_names_goes_with_the_next_collection(alice: Alice) -> None:
    await keep(alice)
    collected = (await alice.client.post("/api/gc", json={})).json()
    assert collected == {
        "blobs": 1,
        "bytes": len(DATA),
        "young": 0,
        "damaged": [],
        "dry_run": False,
        "going": [],
        "left_off": 0,
    }
    assert (await alice.client.get("/api/kept")).json()["blobs"] == []


async def test_what_is_asked_for_by_its_id_is_the_persons_from_then_on(alice: Alice) -> None:
    await keep(alice)
    assert (await alice.client.get(f"/api/blobs/{BLOB.hex()}")).content == DATA
    assert (await alice.client.get("/api/kept")).json()["keep"]["blobs"] == 0


async def test_it_is_listed_page_by_page(alice: Alice) -> None:
    await keep(alice)
    page = (await alice.client.get("/api/kept?limit=1")).json()
    assert len(page["blobs"]) == 1
    assert (await alice.client.get(f"/api/kept?limit=1&cursor={page['next']}")).json()[
        "blobs"
    ] == []
