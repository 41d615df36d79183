"""A backup holds all bytes that are here, also of what the disk damaged, and says what lacks."""

import io
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from blake3 import blake3
from click.testing import Result

import storage.blobs
from crdt.blob import BlobId, Chunking, parse_root
from node import drops
from node.lacking import SHOWN_MAX
from node.services.backup_blobs import BlobFrames
from node.services.restore import read_contents
from node.services.scrub import scrub
from registry.listings import project
from storage.store import Store, open_store
from tests.node.api.test_devices import carry, make_device
from tests.node.api.test_scrub import Giving, spoil
from tests.node.parts import Alice, open_alice
from tests.node.served import shown, typed
from tests.node.services.test_backup import PASSPHRASE, backed_up, nobody, restored

NOISE = blake3(b"a world of which much stays").digest(length=1 << 20)
WORLDS = [NOISE[:700_000] + b"state %d" % tick * 40 + NOISE[700_000:] for tick in range(4)]
ALONE = blake3(b"a world that has nothing of it").digest(length=300_000)
FILE = blake3(b"a file in packs").digest(length=5 << 20)
PLACE = "/api/universe/universe:main/snapshot"


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice", network=Giving()) as alice:
        await add(alice)
        yield alice


async def add(alice: Alice) -> None:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    for tick, world in enumerate([*WORLDS, ALONE]):
        assert (await alice.client.post(f"{PLACE}?tick={tick}", content=world)).status_code == 201
    kept = await alice.client.post("/api/blobs?name=file.bin", content=FILE)
    assert kept.status_code == 201, kept.text


def rot(alice: Alice) -> None:
    """One part that all states but one share, on the disk of a running node."""
    spoil(
        alice,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id ="
        " (SELECT id FROM name WHERE size > 4000 ORDER BY id LIMIT 1 OFFSET 3)",
    )


def rot_list(alice: Alice) -> None:
    """The list of the parts of the state that stands alone."""
    spoil(
        alice,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id = (SELECT max(id) FROM name)",
    )


async def ticks_here(alice: Alice) -> list[int]:
    """Those that open, byte for byte."""
    found: list[int] = []
    for tick, world in enumerate([*WORLDS, ALONE]):
        answer = await alice.client.get(f"{PLACE}/{tick}")
        if answer.status_code == 200:
            assert answer.content == world
            found.append(tick)
    return found


@pytest.mark.parametrize("before", [0, 1])
async def test_one_part_that_rotted_takes_nothing_else_out(
    alice: Alice, tmp_path: Path, before: int
) -> None:
    """In the backup that finds it, and in every later one."""
    rot(alice)
    for _ in range(before):
        await backed_up(alice)
    data = await backed_up(alice)
    contents = read_contents(io.BytesIO(data), len(data), nobody)
    assert contents.counts[drops.BLOB] == len(WORLDS) + 2
    assert contents.counts[drops.LACKING] == len(WORLDS)
    assert contents.chunk_bytes > len(NOISE) + len(ALONE) + len(FILE) - 70_000
    await restored(tmp_path / "new", data)
    async with (
        open_alice(tmp_path / "bob") as bob,
        open_alice(tmp_path / "new", network=Giving()) as again,
    ):
        assert await ticks_here(again) == [4]
        (pinned,) = await again.node.store.pinned_blobs()
        assert await again.node.store.read_blob(pinned.id) == FILE
        for world in WORLDS:
            await bob.node.store.put_blob(world, chunking=Chunking.CONTENT)
        assert isinstance(again.network, Giving)
        again.network.bob = bob.node.store
        report = await scrub(again.node.store, again.network, lambda line: None, is_dry_run=False)
        assert (report.mended, report.damaged) == (len(WORLDS), 0)
        assert 0 < again.network.given <= len(WORLDS), "only what was lacking comes"
        assert await ticks_here(again) == [0, 1, 2, 3, 4]
        data = await backed_up(again)
    assert read_contents(io.BytesIO(data), len(data), nobody).counts[drops.LACKING] == 0


async def test_a_list_of_parts_that_rotted_takes_nothing_else_out(
    alice: Alice, tmp_path: Path
) -> None:
    rot_list(alice)
    data = await backed_up(alice)
    contents = read_contents(io.BytesIO(data), len(data), nobody)
    assert contents.counts[drops.LACKING] == 1
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert await ticks_here(again) == [0, 1, 2, 3]


async def test_a_file_of_which_a_part_rotted_keeps_its_name_and_the_rest(
    alice: Alice, tmp_path: Path
) -> None:
    packs = sorted((alice.node.home.database.parent).rglob("*.pack"))
    assert packs
    data = bytearray(packs[-1].read_bytes())
    data[len(data) // 2] ^= 1
    packs[-1].write_bytes(data)
    contents_data = await backed_up(alice)
    contents = read_contents(io.BytesIO(contents_data), len(contents_data), nobody)
    assert contents.counts[drops.LACKING] == 1
    await restored(tmp_path / "new", contents_data)
    async with (
        open_alice(tmp_path / "bob") as bob,
        open_alice(tmp_path / "new", network=Giving()) as again,
    ):
        (pinned,) = await again.node.store.pinned_blobs()
        assert (pinned.name, pinned.is_complete) == ("file.bin", False)
        await bob.node.store.put_blob(FILE)
        assert isinstance(again.network, Giving)
        again.network.bob = bob.node.store
        await scrub(again.node.store, again.network, lambda line: None, is_dry_run=False)
        assert again.network.given == 1
        assert await again.node.store.read_blob(pinned.id) == FILE


async def test_it_says_how_many_snapshots_lack_however_few_it_names(alice: Alice) -> None:
    """A world that stands still is saved all the same."""
    for tick in range(100, 140):
        assert (await alice.client.post(f"{PLACE}?tick={tick}", content=ALONE)).status_code == 201
    rot_list(alice)
    data = await backed_up(alice)
    lacking = read_contents(io.BytesIO(data), len(data), nobody).lacking
    assert (lacking.blobs, lacking.snapshots, len(lacking.of)) == (1, 41, SHOWN_MAX)


async def test_the_command_says_what_is_lacking_and_what_to_do(
    alice: Alice, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    file = tmp_path / "alice.psd"
    line = ("backup", str(file), "--force", "--passphrase-file", str(secret))
    async with shown(alice) as home:
        done = await typed(home, "--json", *line)
        assert done.exit_code == 0, done.output
        assert answer(done)["not_whole"] == {
            "blobs": 0, "snapshots": 0, "others": 0, "absent": 0, "of": []
        }  # fmt: skip
        rot(alice)
        done = await typed(home, "--json", *line)
        assert done.exit_code == 7, done.output
        said = answer(done)
        assert said["size"] == file.stat().st_size
        lacking = said["not_whole"]
        assert (lacking["blobs"], lacking["snapshots"]) == (len(WORLDS), len(WORLDS))
        of = f"universe {alice.node.identity.did}/universe:main at tick"
        assert lacking["of"] == [f"{of} {tick}" for tick in range(4)]
        done = await typed(home, *line)
        assert done.exit_code == 7
        assert "4 snapshots are not whole" in done.output
        assert "panspermia scrub" in done.output
    listed = await typed(tmp_path / "new", "--json", "restore", str(file), "--dry-run")
    assert listed.exit_code == 0, listed.output
    assert answer(listed)["not_whole"] == lacking
    done = await typed(tmp_path / "new", "restore", str(file), "--passphrase-file", str(secret))
    assert done.exit_code == 0, done.output
    assert "4 snapshots are not whole" in done.output


def answer(done: Result) -> Any:  # noqa: ANN401 - JSON
    """What takes a second on a busy machine tells before it how far it is."""
    return json.loads(done.stdout.splitlines()[-1])


@asynccontextmanager
async def told_of(path: Path, world: bytes, every: int) -> AsyncGenerator[tuple[Store, BlobId]]:
    """A store that has the pages of a world, and each chunk whose number is a multiple of `every`;
    0: none."""
    async with (
        open_store(path / "from.db", project=project, clock_us=lambda: 1) as source,
        open_store(path / "store.db", project=project, clock_us=lambda: 1) as store,
    ):
        blob = await source.put_blob(world, chunking=Chunking.CONTENT)
        root = await source.blob_root(blob)
        assert root is not None
        await store.begin_blob(blob, root)
        parsed = parse_root(root, blob)
        for number in range(parsed.page_count):
            page = await source.blob_page(blob, number)
            assert page is not None
            await store.add_page(blob, number, page)
        for index in range(0, parsed.chunk_count, every) if every else ():
            await store.add_chunks(blob, [(index, await source.read_chunk(blob, index))])
        yield store, blob


def spied(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a store is asked for a page or for chunks from now on."""
    asked: Counter[str] = Counter()

    def spy(name: str) -> None:
        known = getattr(Store, name)

        async def counted(*args: object, **more: object) -> object:
            asked[name] += 1
            return await known(*args, **more)

        monkeypatch.setattr(Store, name, counted)

    for name in ("blob_page", "read_chunk", "read_chunks"):
        spy(name)
    return asked


@pytest.mark.parametrize("every", [0, 100])
async def test_what_is_missing_is_not_asked_for_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """However much of a large state has not come yet, also where it is more than one answer of the
    store lists."""
    monkeypatch.setattr(storage.blobs, "CHUNKS_MAX", 50)
    world = blake3(b"a large world").digest(length=24 << 20)
    async with told_of(tmp_path, world, every) as (store, blob):
        root = await store.blob_root(blob)
        assert root is not None
        parsed = parse_root(root, blob)
        here = len(range(0, parsed.chunk_count, every)) if every else 0
        assert parsed.chunk_count > 1_000
        asked = spied(monkeypatch)
        frames = [kind async for kind, _ in BlobFrames(store).of(blob)]
    assert frames[: 1 + parsed.page_count] == [drops.BLOB, *[drops.PAGE] * parsed.page_count]
    assert frames[1 + parsed.page_count :] == [*[drops.CHUNK] * here, drops.LACKING]
    assert asked["blob_page"] == parsed.page_count
    assert asked["read_chunk"] == 0
    assert asked["read_chunks"] == here


async def test_a_part_that_another_state_brings_is_not_lacking(tmp_path: Path) -> None:
    """What is missing here of one blob, and stands in the backup with another, comes with that."""
    world = blake3(b"a large world").digest(length=1 << 20)
    async with told_of(tmp_path, world, 0) as (store, blob):
        other = await store.put_blob(world + b"and more", chunking=Chunking.CONTENT)
        frames = BlobFrames(store)
        kinds = [kind async for kind, _ in frames.of(blob)]
        assert drops.CHUNK in kinds, "it counts what is here now"
        assert kinds[-1] == drops.LACKING, "its last chunk is nobody's"
        assert [kind async for kind, _ in frames.of(other)][-1] == drops.CHUNK


async def test_what_rotted_is_looked_up_page_by_page(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a state of which the disk lost every part but the list of them."""
    world = blake3(b"a world that goes").digest(length=4 << 20)
    assert (await alice.client.post(f"{PLACE}?tick=9", content=world)).status_code == 201
    at = (await alice.client.get(f"{PLACE}s")).json()["snapshots"]
    blob = BlobId(bytes.fromhex(at[-1]["blob"]))
    spoil(
        alice,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id < (SELECT max(id) FROM name)",
    )
    asked = spied(monkeypatch)
    kinds = [kind async for kind, _ in BlobFrames(alice.node.store).of(blob)]
    assert kinds == [drops.BLOB, drops.PAGE, drops.LACKING]
    assert asked["blob_page"] == 2


async def test_snapshots_of_which_nothing_is_here_are_lacking(tmp_path: Path) -> None:
    """A backup of a device that only has the records does not pass for one of the snapshots."""
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    file = tmp_path / "phone.psd"
    async with open_alice(tmp_path / "phone") as phone:
        await make_device(phone, tmp_path / "laptop")
        async with open_alice(tmp_path / "laptop") as laptop:
            await add(laptop)
            again = await laptop.client.post(f"{PLACE}?tick=7", content=ALONE)
            assert again.status_code == 201, "two ticks of the same bytes are one blob"
            await carry(laptop, phone)
        data = await backed_up(phone)
        contents = read_contents(io.BytesIO(data), len(data), nobody)
        assert contents.counts[drops.BLOB] == 0
        lacking = contents.lacking
        assert (lacking.blobs, lacking.snapshots, lacking.absent, lacking.others) == (5, 6, 6, 0)
        of = f"universe {phone.node.identity.did}/universe:main at tick"
        assert lacking.of == [f"{of} {tick}" for tick in (0, 1, 2, 3, 4, 7)], "two of one blob"
        await restored(tmp_path / "new", data)
        async with shown(phone) as home:
            done = await typed(home, "backup", str(file), "--passphrase-file", str(secret))
        assert done.exit_code == 7
        assert "6 snapshots are not whole, 6 of them not there at all" in done.output
        assert "panspermia universe open" in done.output
        assert "panspermia scrub" not in done.output
        gone = await phone.client.delete("/api/universe/universe:main")
        assert gone.status_code == 200, gone.text
        data = await backed_up(phone)
        lacking = read_contents(io.BytesIO(data), len(data), nobody).lacking
        assert lacking.blobs == 0, "what was let go is not missed"
