"""Pages from elsewhere: those that are configured may call, as a browser asks, and no others."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from node.config import ApiConfig, Config
from tests.node.api.test_life import GENOME, GENOMES
from tests.node.parts import Alice, open_alice

LAB = "https://lab.example:8443"
WEB = "HTTPS://Lab.example:443"
"""As a person may write it, and no browser does."""
EVIL = "https://evil.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
}


@pytest_asyncio.fixture
async def open_to_lab(tmp_path: Path) -> AsyncGenerator[Alice]:
    config = Config(api=ApiConfig(compat=True, allowed_origins=(LAB, WEB)))
    async with open_alice(tmp_path / "lab", config=config) as alice:
        del alice.client.headers["authorization"]
        yield alice


async def test_a_game_in_a_browser_may_send_what_uploads_and_reads_look_at(
    open_to_lab: Alice,
) -> None:
    """A browser sends no header that it was not told of, and shows none to the page."""
    sent = {"x-snapshot-compressed", "x-checksum", "content-encoding", "range", "if-range"}
    path = "/api/multiverse/universe/universe:w/snapshot"
    wanted = PREFLIGHT | {"access-control-request-headers": ",".join(sorted(sent))}
    asked = await open_to_lab.client.options(path, headers={"origin": LAB} | wanted)
    assert asked.status_code == 204
    assert sent <= set(asked.headers["access-control-allow-headers"].split(", "))
    shown = set(asked.headers["access-control-expose-headers"].split(", "))
    assert {"x-checksum", "x-snapshot", "x-tick", "content-range"} <= shown


async def test_a_page_that_is_configured_reads_and_writes(open_to_lab: Alice) -> None:
    client, lab = open_to_lab.client, {"origin": LAB}
    asked = await client.options(GENOMES, headers=lab | PREFLIGHT)
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == LAB
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "content-type" in asked.headers["access-control-allow-headers"]
    assert asked.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in asked.headers
    assert "access-control-allow-private-network" not in asked.headers
    near = lab | PREFLIGHT | {"access-control-request-private-network": "true"}
    asked = await client.options(GENOMES, headers=near)
    assert asked.headers["access-control-allow-private-network"] == "true"

    written = await client.post(GENOMES, json=GENOME, headers=lab)
    assert written.status_code == 200, written.text
    read = await client.get(GENOMES, headers=lab)
    for answer in (written, read, await client.get("/nothing", headers=lab)):
        assert answer.headers["access-control-allow-origin"] == LAB
        assert answer.headers["vary"] == "Origin"
    assert "etag" in read.headers["access-control-expose-headers"]
    web = await client.get(GENOMES, headers={"origin": "https://lab.example"})
    assert web.headers["access-control-allow-origin"] == "https://lab.example"
    refused = await client.get(GENOMES, headers=lab | {"authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, LAB)


@pytest.mark.parametrize("origin", [EVIL, "null", f"{LAB}1", LAB.upper(), "*", ""])
async def test_no_other_page_is_told_anything(open_to_lab: Alice, origin: str) -> None:
    client = open_to_lab.client
    for answer in (
        await client.options(GENOMES, headers={"origin": origin} | PREFLIGHT),
        await client.get(GENOMES, headers={"origin": origin}),
        await client.post(GENOMES, json=GENOME, headers={"origin": origin}),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"
    two = [("origin", LAB), ("origin", EVIL)]
    assert (await client.get(GENOMES, headers=two)).status_code == 403
    assert (await client.get(GENOMES)).headers["vary"] == "Origin", "a cache keeps them apart"


async def test_where_no_page_is_configured_nothing_is_said_of_pages(alice: Alice) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await alice.client.request(
            method, GENOMES, headers={"origin": LAB, "access-control-request-method": "GET"}
        )
        assert answer.status_code == 403
        assert not {"vary", "access-control-allow-origin"} & {*answer.headers}
