"""Files are published whole over HTTP, and genomes are drawn, whatever strangers hand in."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from node.api.routes.pictures import DRAWN_BYTES_MAX
from node.config import ApiConfig, Config
from registry.formats import detect
from registry.pictures import picture_of
from tests.node.api.test_life import GENOMES, from_peer, post
from tests.node.parts import Alice, open_alice
from tests.registry.formats.files import ANIMALS, CELLS, CONFIG, LINEAGES, XOR
from tests.storage.people import BOB

FILES = "/api/registry/files"
GLIDER = b"#N Glider\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"


def body(name: str, data: bytes, **more: object) -> dict[str, Any]:
    return {"file": name, "content": base64.b64encode(data).decode(), **more}


async def publish(alice: Alice, name: str, data: bytes, **more: object) -> Any:  # noqa: ANN401 - JSON
    answer = await alice.client.post(FILES, json=body(name, data, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_thing_in_a_file_is_published_and_said_by_its_place(alice: Alice) -> None:
    done = await publish(alice, "animals.json", ANIMALS)
    assert done["refused"] == []
    assert len(done["published"]) == len(json.loads(ANIMALS)) - headings(ANIMALS)
    assert {one["state"] for one in done["published"]} == {"published"}
    again = await publish(alice, "animals.json", ANIMALS)
    assert {one["state"] for one in again["published"]} == {"known"}
    mixed = await publish(alice, "lineages.json", LINEAGES)
    assert {one["kind"] for one in mixed["published"]} == {"lineage", "genome"}
    seed = await publish(alice, "config.toml", CONFIG, dry_run=True)
    assert [(one["kind"], one["state"]) for one in seed["published"]] == [("seed", "published")]
    assert (await alice.client.get("/api/registry/seeds")).json()["seeds"] == []


def headings(animals: bytes) -> int:
    """Rows of Lenia's list that only say what the next ones are."""
    return sum("cells" not in one for one in json.loads(animals))


async def test_how_far_it_is_is_told_and_bytes_come_back(alice: Alice) -> None:
    answer = await alice.client.post(
        FILES, json=body("glider.rle", GLIDER), headers={"accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["event"] for line in lines] == ["progress", "result"]
    assert lines[0]["text"] == "1 of 1"
    (one,) = lines[1]["published"]
    assert (one["name"], one["format"], one["id"]) == ("Glider", "rle", blake3(GLIDER).hexdigest())
    got = await alice.client.get(f"{GENOMES}/{one['id']}/download")
    assert got.content == GLIDER


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("broken.rle", b"x = 3, y = 3\nbob$2bo$3q!\n", "invalid-file", "line 2"),
        ("notes.txt", b"nothing of that kind", "invalid-file", "no format that is known"),
        ("a.pkl", b"\x80\x04K*.", "invalid-file", "pickle"),
        ("deep.json", b"[" * 100_000, "invalid-file", "deep.json"),
        ("", b"x", "invalid-body", "/file"),
        ("registry.db", b"SQLite format 3\0" + b"\xff" * 200, "invalid-file", "registry.db"),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_place_and_nothing_is_kept(
    alice: Alice, name: str, data: bytes, code: str, said: str
) -> None:
    for accept in ("application/json", "application/x-ndjson"):
        answer = await alice.client.post(FILES, json=body(name, data), headers={"accept": accept})
        told = answer.json()
        problem = told.get("problem", told)
        assert (problem["code"], said in problem["detail"]) == (code, True), problem
    counts = await alice.node.store.counts()
    assert (counts.entries, counts.blobs) == (0, 0)


async def test_one_thing_that_is_refused_does_not_hold_up_the_others(alice: Alice) -> None:
    first, *others = (await publish(alice, "animals.json", ANIMALS))["published"]
    gone = {"record": f"genome/{first['id']}"}
    answer = await alice.client.post("/api/records/deletion", json=gone)
    assert answer.status_code == 200, answer.text
    done = await publish(alice, "animals.json", ANIMALS)
    assert [one["id"] for one in done["published"]] == [one["id"] for one in others]
    assert [(one["code"], one["place"]) for one in done["refused"]] == [("deleted", first["place"])]


async def leave_pages(alice: Alice, count: int) -> None:
    """As on a disk on which so much more fits."""
    database = alice.node.store._database  # pyright: ignore[reportPrivateUsage]  # no setting does it
    async with database.transaction() as write:
        pages = await write.number("PRAGMA page_count")
        await write.rows(f"PRAGMA max_page_count = {pages + count}")


async def test_what_was_published_before_the_disk_was_full_is_told(alice: Alice) -> None:
    animal = next(one for one in json.loads(ANIMALS) if "cells" in one)
    total = 60
    many = json.dumps([animal | {"name": f"animal {number}"} for number in range(total)]).encode()
    await publish(alice, "glider.rle", GLIDER)
    await leave_pages(alice, 12)
    done = await publish(alice, "animals.json", many)
    assert 0 < len(done["published"]) < total
    why = done["broken_off"]
    assert (done["refused"], why["status"], why["code"]) == ([], 507, "over-quota")
    assert "disk is full" in why["detail"]
    for one in done["published"]:
        assert (await alice.client.get(f"{GENOMES}/{one['id']}")).status_code == 200
    await leave_pages(alice, 1 << 20)
    again = await publish(alice, "animals.json", many)
    states = [one["state"] for one in again["published"]]
    count = len(done["published"])
    assert states == ["known"] * count + ["published"] * (total - count)
    assert again["broken_off"] is None


async def test_a_full_disk_at_the_first_is_the_answer(alice: Alice) -> None:
    await leave_pages(alice, 0)
    answer = await alice.client.post(FILES, json=body("glider.rle", GLIDER * 400))
    assert (answer.status_code, answer.json()["code"]) == (507, "over-quota"), answer.text


async def test_whoever_has_no_token_publishes_no_file(alice: Alice) -> None:
    answer = await alice.client.post(
        FILES, json=body("glider.rle", GLIDER), headers={"authorization": ""}
    )
    assert answer.status_code == 401


async def test_whatever_a_dropped_file_is_called_its_genome_is_published(alice: Alice) -> None:
    for number, (name, kept) in enumerate((
        ("new\nline\x1b[31m.rle", "new line[31m.rle"), ("\u202ecod.rle", "cod.rle"),
        ("a/b\\c.rle", "a_b_c.rle"), ("n" * 200, ""),
    )):  # fmt: skip
        data = GLIDER.replace(b"3o!", b"%do!" % (number + 1))
        done = await publish(alice, name, data)
        assert (done["refused"], done["file"]) == ([], name)
        one = (await alice.client.get(f"{GENOMES}/{done['published'][0]['id']}")).json()
        assert one["file"] == kept
        assert (await alice.client.get(f"{GENOMES}/{one['id']}/download")).content == data


async def test_a_genome_is_drawn_for_a_browser(alice: Alice) -> None:
    for name, data in (("glider.rle", GLIDER), ("xor.json", XOR), ("glider.cells", CELLS)):
        (one,) = (await publish(alice, name, data))["published"]
        path = f"{GENOMES}/{one['id']}/picture"
        drawn = await alice.client.get(path)
        assert drawn.status_code == 200, drawn.text
        assert drawn.headers["content-type"] == "image/svg+xml"
        assert drawn.content.startswith(b"<svg ")
        assert "default-src 'none'" in drawn.headers["content-security-policy"]
        known = await alice.client.get(path, headers={"if-none-match": drawn.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


async def test_a_genome_is_drawn_as_png_for_what_shows_no_svg(tmp_path: Path) -> None:
    elsewhere = "https://gallery.example"
    config = Config(api=ApiConfig(allowed_origins=(elsewhere,)))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        for name, data in (("glider.rle", GLIDER), ("xor.json", XOR)):
            (one,) = (await publish(alice, name, data))["published"]
            path = f"{GENOMES}/{one['id']}/picture.png"
            drawn = await alice.client.get(path, headers={"origin": elsewhere})
            assert drawn.status_code == 200, drawn.text
            assert drawn.headers["content-type"] == "image/png"
            assert drawn.headers["access-control-allow-origin"] == elsewhere
            assert drawn.content.startswith(b"\x89PNG\r\n\x1a\n")
            assert drawn.content == picture_of(detect("", data), data, "png")
            known = {"if-none-match": drawn.headers["etag"]}
            assert (await alice.client.get(path, headers=known)).status_code == 304
            as_svg = await alice.client.get(path.removesuffix(".png"), headers=known)
            assert (as_svg.status_code, as_svg.headers["content-type"]) == (200, "image/svg+xml")
        refused = await alice.client.get(path, headers={"origin": "https://elsewhere.example"})
        assert (refused.status_code, refused.content[:4] == b"\x89PNG") == (403, False)
        # Cells too far apart for points, and more bytes than are drawn.
        wide = b"x = 9000, y = 9000\no8999$8999bo!\n"
        (one,) = (await publish(alice, "wide.rle", wide))["published"]
        none = await alice.client.get(f"{GENOMES}/{one['id']}/picture.png")
        assert (none.status_code, none.json()["code"]) == (422, "no-picture"), none.text
        large = GLIDER[:-2] + b"\n" * DRAWN_BYTES_MAX + b"!"
        (one,) = (await publish(alice, "large.rle", large))["published"]
        none = await alice.client.get(f"{GENOMES}/{one['id']}/picture.png")
        assert (none.status_code, "are drawn here" in none.text) == (422, True)


async def test_a_genome_that_is_called_otherwise_is_drawn_anew(alice: Alice) -> None:
    said = {"genotype": GLIDER.decode(), "name": "first"}
    path = f"{GENOMES}/{(await post(alice, GENOMES, said))['id']}/picture"
    tag = {"if-none-match": (await alice.client.get(path)).headers["etag"]}
    assert (await alice.client.get(path, headers=tag)).status_code == 304
    await post(alice, GENOMES, said | {"name": "second"})
    renamed = await alice.client.get(path, headers=tag)
    assert (renamed.status_code, "second" in renamed.text) == (200, True)


async def test_nothing_larger_than_is_drawn_is_fetched_for_a_picture(
    alice: Alice, tmp_path: Path
) -> None:
    large = GLIDER[:-2] + b"\n\xff" * DRAWN_BYTES_MAX + b"!"
    async with open_alice(tmp_path / "bob") as bob:
        alice.network.bob = bob.node.store
        blob = await bob.node.store.put_blob(large)
        theirs = (await from_peer(alice, BOB, large)).replace("/", "%2F")
        answer = await alice.client.get(f"{GENOMES}/{theirs}/picture")
        assert (answer.status_code, answer.json()["code"]) == (422, "no-picture"), answer.text
        assert "are drawn here" in answer.json()["detail"]
        assert await alice.node.store.blob_state(blob) is None
        whole = await alice.client.get(f"{GENOMES}/{theirs}/download")
        assert whole.content == large


async def test_a_name_of_a_stranger_is_text_in_a_picture(alice: Alice) -> None:
    name = "</title><script>1</script>"
    id = (await post(alice, GENOMES, {"genotype": GLIDER.decode(), "name": name}))["id"]
    drawn = (await alice.client.get(f"{GENOMES}/{id}/picture")).text
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


async def test_what_nothing_draws_is_told(alice: Alice) -> None:
    theirs = await from_peer(alice, BOB, b"anything")
    answer = await alice.client.get(f"{GENOMES}/{theirs.replace('/', '%2F')}/picture")
    assert answer.status_code in (422, 504), answer.text
    id = (await post(alice, GENOMES, {"genotype": "anything else"}))["id"]
    answer = await alice.client.get(f"{GENOMES}/{id}/picture")
    assert (answer.status_code, answer.json()["code"]) == (422, "no-picture")
    large = GLIDER[:-2] + b"\n" * DRAWN_BYTES_MAX + b"!"
    (one,) = (await publish(alice, "large.rle", large))["published"]
    answer = await alice.client.get(f"{GENOMES}/{one['id']}/picture")
    assert (answer.status_code, answer.json()["code"]) == (422, "no-picture")
    assert "are drawn here" in answer.json()["detail"]
