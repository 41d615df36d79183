"""What `info` prints of a genome: what it is, what is only claimed, what was run, and its card."""

import asyncio
import json

import click
import pytest

from node.commands import life, petnames, record
from tests.node.api.test_life import GENOME, GENOMES, post
from tests.node.commands.test_publish_tree import OverLoop
from tests.node.parts import Alice

GLIDER = "x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
CARD = "# Glider\n\n" + "\n".join(f"It flies, {number}." for number in range(50)) + "\x1b[31m\n"


@pytest.fixture
async def client(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> OverLoop:
    client = OverLoop(alice, asyncio.get_running_loop())
    for module in (life, petnames, record):
        monkeypatch.setattr(module, "node", lambda: client)
    return client


def printed(capsys: pytest.CaptureFixture[str], id: str, *, json: bool, only_card: bool) -> str:
    with click.Context(click.Command("info"), obj={"json": json}):
        record.show_life(id, None, None, only_card=only_card)
    return capsys.readouterr().out


@pytest.mark.usefixtures("client")
async def test_all_that_is_known_of_a_genome_is_shown(
    alice: Alice, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"id": "line-1", "name": "Ships", "civilization_level": 4, "is_extinct": True}
    await post(alice, "/api/registry/lineages", line)
    said = GENOME | {"genotype": GLIDER, "lineage_id": "line-1", "card": CARD}
    id = (await post(alice, GENOMES, said))["id"]

    full = f"{alice.node.identity.did}/{id}"

    async def show(*, json: bool, only_card: bool) -> str:
        return await asyncio.to_thread(printed, capsys, id, json=json, only_card=only_card)

    lines = (await show(json=False, only_card=False)).splitlines()
    for wanted in (
        "format        rle, 40 B", "fitness       99.999, as its author claims",
        "offspring     500", "tick          12345", "lineage       line-1",
        "              Ships, level 4, extinct, as claimed",
        f"verified      nothing: nobody ran it yet; panspermia attest {full}",
        f"picture       panspermia picture {full} -o FILE.png",
        "# Glider", "It flies, 37.", "… 12 more lines: info NAME --readme",
    ):  # fmt: skip
        assert wanted in lines, lines
    assert "It flies, 38." not in lines
    card = await show(json=False, only_card=True)
    assert card.splitlines()[-1] == "It flies, 49.\\u{1b}[31m"
    told = json.loads(await show(json=True, only_card=False))
    assert (told["card"], told["format"], told["lineage"]["name"]) == (CARD, "rle", "Ships")
    drawn = await alice.client.get(told["picture"])
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert told["attestations"] == []

    def in_a_lab() -> str:
        with click.Context(click.Command("info"), obj={"json": False}):
            record.print_life("genome", told, "lab")
        return capsys.readouterr().out

    text = await asyncio.to_thread(in_a_lab)
    assert f"panspermia attest {full} --namespace lab\n" in text
    assert "panspermia picture" not in text  # it looks into commons alone


@pytest.mark.usefixtures("client")
async def test_what_nothing_draws_has_no_picture_and_a_lineage_may_be_unknown(
    alice: Alice, capsys: pytest.CaptureFixture[str]
) -> None:
    for lineage in ("nobody", "a/b", "é" * 128):
        sent = {"genotype": f"of {lineage}", "lineage_id": lineage}
        id = (await post(alice, GENOMES, sent))["id"]
        text = await asyncio.to_thread(printed, capsys, id, json=True, only_card=False)
        told = json.loads(text)
        assert (told["picture"], told["lineage"], told["card"]) == (None, None, "")
