"""Genomes, seeds and lineages on the node's page: files dropped, looked at, rated, downloaded.

Chromium loads it from a running node, and is used as by a person, with the keyboard alone but for
the drop.
"""

import json
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from node.commands.nodes import LocalNode, wait_for
from tests.e2e.browser import Page, opened
from tests.e2e.story import ARRIVE_S, StartNode
from tests.e2e.test_life import LINEAGES
from tests.e2e.test_page import browser, let_act

__all__ = ["browser"]

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("browser")]

HOSTILE = "<img src=x onerror=document.body.remove()>"
GLIDER = f"#N {HOSTILE}\n#O Richard K. Guy\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
BROKEN = "x = 3, y = 3\nbob$2bo$3q!\n"
FILES = {"glider.rle": GLIDER, "broken.rle": BROKEN, "lineages.json": json.dumps(LINEAGES)}
NARROW = 320


def drop(page: Page, files: dict[str, str]) -> None:
    """As whoever drags them there from a folder."""
    page.value(
        f"""(() => {{
            const dropped = new DataTransfer();
            for (const [name, text] of Object.entries({json.dumps(files)}))
                dropped.items.add(new File([text], name));
            byId('drop').dispatchEvent(new DragEvent(
                'drop', {{ dataTransfer: dropped, bubbles: true, cancelable: true }}));
        }})()"""
    )


def is_well_made(page: Page) -> None:
    """Named for who cannot see it, legible, and as wide as the window."""
    assert page.nameless() == []
    assert page.illegible() == []
    assert page.value("document.documentElement.scrollWidth <= innerWidth"), page.value(
        "[...document.querySelectorAll('body *')].filter((one) => one.scrollWidth > innerWidth)"
        ".map((one) => one.outerHTML.slice(0, 200))"
    )


def holds(file: Path) -> int | None:
    return file.stat().st_size if file.exists() and file.stat().st_size else None


def choose(page: Page, id: str, value: str) -> None:
    page.value(
        f"byId('{id}').value = '{value}', byId('{id}').dispatchEvent(new Event('change')), 0"
    )


def short(did: str) -> str:
    key = did.removeprefix("did:key:")
    return f"{key[:6]}…{key[-6:]}"


def enter(page: Page, at: LocalNode, genome: str, result: int) -> None:
    """A challenge is found on the page, and entered there; who stands where is seen at once."""
    wanted = {
        "name": "Small ships", "with": "io.panspermia.life-score", "ticks": 20, "rules": HOSTILE,
        "deadline": "2999-01-01",
    }  # fmt: skip
    at.client.post("/api/challenges", wanted)
    page.wait("the challenge", "byId('challenges').innerText.includes('Small ships open, until')")
    page.value("document.querySelector('#challenges a').focus()")
    page.press("Enter")
    page.wait("it to be open", "byId('one').innerText.includes('Nobody has entered it yet')")
    page.value("document.querySelector('#one input').focus()")
    page.type(genome)
    page.press("Enter")
    page.wait("it to be entered", "byId('one').innerText.includes('Entered, and signed.')")
    assert f"1. {HOSTILE} {result}\n" in page.text("#one")
    is_well_made(page)


def test_a_person_drops_files_and_looks_at_what_is_in_them(node: StartNode, tmp_path: Path) -> None:
    alice = node("alice")
    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        page.do(
            "Emulation.setDeviceMetricsOverride", width=NARROW, height=800, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        page.do("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.wait("the empty list", "byId('life-said').textContent.startsWith('None is known')")
        assert page.value("byId('drop').hidden"), "nobody let it act yet"
        let_act(page, alice)
        drop(page, FILES)
        page.wait("all of them", "byId('files-said').textContent === '2 of 3 files went well.'")
        report = page.text("#handed-in")
        assert f"genome published: {HOSTILE}" in report
        assert "lineage published: The walkers" in report
        assert "broken.rle\nline 2, column " in report
        is_well_made(page)

        # To a few of those who may read an area, where one is chosen.
        lab = alice.client.post("/api/namespaces", {"name": "lab"})["did"]
        page.value("showRights(), 0")
        page.wait("the area", "[...byId('place').options].some((one) => one.text === 'lab')")
        assert "becomes public" in page.text("#place-said")
        choose(page, "place", lab)
        assert "for those who may read lab" in page.text("#place-said")
        is_well_made(page)
        drop(page, {"blinker.rle": "x = 3, y = 1, rule = B3/S23\n3o!\n"})
        page.wait("it", "byId('files-said').textContent === '1 of 1 files went well.'")
        (kept,) = alice.client.get("/api/registry/genomes", {"namespace": "lab"})["genomes"]
        assert kept["genotype"].endswith("3o!\n")
        link = page.value("document.querySelector('#handed-in a').getAttribute('href')")
        assert link.endswith(f"?in={quote(lab, safe='')}")
        assert len(alice.client.get("/api/registry/genomes")["genomes"]) == 1
        choose(page, "place", "commons")

        # It stands in the list with its picture, and opens by the keyboard.
        src = page.wait("its picture", "document.querySelector('#life img')?.src")
        assert src.startswith("data:image/svg+xml")
        assert page.text("#life strong") == HOSTILE
        page.value("document.querySelector('#life a').focus()")
        page.press("Enter")
        page.wait("it to be open", "document.activeElement.id === 'one-head'")
        assert page.text("#one-head") == HOSTILE
        assert "made by\nRichard K. Guy" in page.text("#one").replace("\n\n", "\n")
        page.wait("its large picture", "document.querySelector('#one img')?.naturalWidth > 2")
        is_well_made(page)

        # Rated and downloaded from there.
        page.value("document.querySelector('#one form button').focus()")
        page.press("Enter")
        page.wait("the rating", "document.querySelector('#one').innerText.includes('5 of 5 by')")
        assert page.text("#one").count("Said, and signed.") == 1
        page.value("document.querySelector('#one-body button').focus()")
        page.press("Enter")
        got = tmp_path / "glider.rle"
        wait_for("its bytes", ARRIVE_S, lambda: holds(got))
        assert got.read_bytes() == GLIDER.encode()
        (one,) = alice.client.get("/api/registry/genomes")["genomes"]
        for type, begins in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            named = f"(one) => one.innerText === 'Picture as {type}'"
            found = f"[...document.querySelectorAll('#one button')].find({named})"
            page.wait(f"the {type}", f"{found} !== undefined")
            page.value(f"{found}.focus()")
            page.press("Enter")
            drawn = tmp_path / f"{one['id'][:16]}.{type.lower()}"
            wait_for(f"the {type}", ARRIVE_S, partial(holds, drawn))
            assert drawn.read_bytes().startswith(begins)

        # Run again: it ranks by that, with who says so; its page says how it does over time.
        path = f"/api/registry/genomes/{one['id']}/attestations"
        result = alice.client.post(path, {"ticks": 20})["result"]
        choose(page, "life-sort", "attested")
        page.wait("the ranking", f"byId('life').innerText.includes('{result} attested by')")
        page.tab_to("one-close")
        page.press("Enter")
        page.wait("it to be closed", "byId('one').hidden && location.hash === ''")
        page.value(f"location.hash = '#genome/{one['id']}'")
        page.wait("it again", "byId('one').innerText.includes('rated by 1 in 26 weeks')")
        told = page.text("#one")
        assert f"{result} verified, by " in told
        assert f"life-score 1.0.0, seed 0, 20 ticks\nattested by {short(alice.did)}" in told
        enter(page, alice, str(one["id"]), result)
        choose(page, "life-kind", "hall_of_fame")
        page.wait("the Hall of Fame", "byId('life').innerText.includes('level 5, alive')")
        is_well_made(page)
        page.value("document.querySelector('#life a').focus()")
        page.press("Enter")
        page.wait("the lineage", "byId('one').innerText.includes('Nobody rated it yet')")
        page.value("document.querySelector('#one form button').focus()")
        page.press("Enter")
        page.wait("its rating", "byId('one').innerText.includes('Said, and signed.')")
        is_well_made(page)

        # Of more cells than an SVG holds there is a PNG.
        gas = "x = 440, y = 450\n" + ("bo" * 220 + "$\n") * 450 + "!\n"
        many = alice.client.post("/api/registry/genomes", {"genotype": gas, "name": "Gas"})["id"]
        page.value(f"location.hash = '#genome/{many}'")
        drawn = page.wait("its points", "document.querySelector('#one img[alt$=Gas]')?.src")
        assert drawn.startswith("data:image/png")
        page.wait("its file", "byId('one').innerText.includes('Picture as PNG')")
        assert "Picture as SVG" not in page.text("#one")

        # What is only stated is called so, and what was run again has an order of its own.
        alice.client.post(
            "/api/registry/genomes",
            {"genotype": "x = 1, y = 1\no!\n", "name": "Boaster", "fitness_score": 1e9},
        )
        choose(page, "sort", "fitness")
        boast = "fitness 1000000000 as claimed"
        page.wait("the boast", f"byId('found').innerText.includes('{boast}')")
        choose(page, "sort", "attested")
        page.wait(
            "who was run",
            f"byId('found').innerText.includes('{result} attested by')"
            " && !byId('found').innerText.includes('Boaster')",
        )
        assert page.value("document.querySelectorAll('main script, main [onerror]').length") == 0
