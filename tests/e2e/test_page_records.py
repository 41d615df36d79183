"""Genomes, seeds, lineages and universes on the node's page: dropped, looked at, downloaded.

Chromium loads it from a running node, and is used as by a person, with the keyboard alone but for
the drop.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from node.commands.nodes import LocalNode, start_node, stop_all, wait_for
from tests.e2e.browser import Page, opened
from tests.e2e.story import ARRIVE_S
from tests.e2e.test_life import LINEAGES
from tests.e2e.test_page import browser, let_act

__all__ = ["browser"]

pytestmark = [
    pytest.mark.nodes, pytest.mark.usefixtures("browser"), pytest.mark.xdist_group("page records"),
]  # fmt: skip

HOSTILE = "<img src=x onerror=document.body.remove()>"
GLIDER = f"#N {HOSTILE}\n#O Richard K. Guy\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
BROKEN = "x = 3, y = 3\nbob$2bo$3q!\n"
FILES = {"glider.rle": GLIDER, "broken.rle": BROKEN, "lineages.json": json.dumps(LINEAGES)}
NARROW = 320


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    made = start_node("alice", tmp_path_factory.mktemp("records"), "--no-mdns")
    yield made
    stop_all([made])


def drop(page: Page, files: dict[str, str], on: str = "#drop") -> None:
    """As whoever drags them there from a folder."""
    page.value(
        f"""(() => {{
            const dropped = new DataTransfer();
            for (const [name, text] of Object.entries({json.dumps(files)}))
                dropped.items.add(new File([text], name));
            document.querySelector({json.dumps(on)}).dispatchEvent(new DragEvent(
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


def shortened(id: str) -> str:
    """As the page shows an id that a node made up."""
    kind, _, digits = id.partition(":")
    return f"{kind}:{digits[:8]}…"


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


def focus_on(page: Page, text: str, within: str = "#one") -> None:
    """The first button, link or summary there that is called so."""
    these = f"[...document.querySelectorAll('{within} :is(button, a, summary)')]"
    called = f"{these}.find((one) => one.textContent.startsWith({json.dumps(text)}))"
    page.wait(text, f"{called}?.checkVisibility()")
    page.value(f"{called}.focus()")


def follow(page: Page, text: str, within: str = "#one") -> None:
    """As who goes there by the keyboard."""
    focus_on(page, text, within)
    page.press("Enter")


def fill(page: Page, label: str, text: str) -> None:
    """The field of what is open."""
    labels = "[...document.querySelectorAll('#one label')]"
    page.value(
        f"{labels}.find((one) => one.textContent.startsWith({json.dumps(label)})).control.select()"
    )
    page.type(text)


def test_a_person_drops_files_and_looks_at_what_is_in_them(
    alice: LocalNode, tmp_path: Path
) -> None:
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


def keep(at: LocalNode, universe: str, tick: int, body: bytes, type: str = "auto") -> str:
    """A snapshot as a game sends it; its id."""
    answer = httpx2.post(
        f"{at.client.url}/api/universe/{universe}/snapshot",
        params={"tick": tick, "type": type},
        content=body,
        headers={"authorization": f"Bearer {(at.home / 'token').read_text().strip()}"},
        timeout=ARRIVE_S,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def happened(at: LocalNode, universe: str, **event: object) -> None:
    at.client.post(f"/api/universe/{universe}/timeline", event)


def test_a_person_looks_at_a_universe_opens_a_tick_and_forks_it(
    alice: LocalNode, tmp_path: Path
) -> None:
    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        page.do(
            "Emulation.setDeviceMetricsOverride", width=NARROW, height=800, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        page.do("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.wait("no universe", "byId('universes-said').textContent.startsWith('None is known')")
        assert not page.value("byId('universe-form').checkVisibility()"), "nobody let it act yet"
        let_act(page, alice)
        is_well_made(page)

        # Made by the form, and open at once.
        follow(page, "Make a universe", "main")
        page.tab_to("universe-name")
        page.type(HOSTILE)
        page.tab_to("universe-id")
        page.type("universe:main")
        page.press("Enter")
        page.wait("it to be open", "document.activeElement.id === 'one-head'")
        assert page.text("#one-head") == HOSTILE
        assert "Nothing was saved here yet." in page.text("#one")
        one = alice.client.get("/api/universe/universe:main")["universe"]
        assert (one["name"], one["visibility"]) == (HOSTILE, "public")
        is_well_made(page)

        # A file that is dropped is kept at the tick that its name says.
        world = json.dumps({"foxes": 7}).encode()
        page.value("document.querySelector('#one form.drop').scrollIntoView(), 0")
        drop(page, {"world-400.json": world.decode()}, "#one form.drop")
        page.wait("it to be kept", "byId('one').innerText.includes('Tick 400 is kept: 12 B.')")
        drop(page, {"world-400.json": world.decode()}, "#one form.drop")
        page.wait("no second", "byId('one').innerText.includes('Tick 400 was there already')")
        got = httpx2.get(f"{alice.client.url}/api/universe/universe:main/snapshot/400")
        assert (got.content, got.headers["content-type"]) == (world, "application/json")

        # What happened is in the picture with its type, and told to whoever cannot see it.
        happened(alice, "universe:main", tick=900, type="milestone", title="Noon")
        keep(alice, "universe:main", 900, b"later")
        happened(alice, "universe:main", tick=500, type="crisis", title=HOSTILE, importance=9)
        born = {"entities": ["Cain"], "souls": ["soul:cain"]}
        happened(alice, "universe:main", tick=100, type="birth", title="Cain", **born)
        page.value("showRecord(), 0")
        page.wait("all of it", "document.querySelectorAll('.timeline circle.event').length === 3")
        labels = page.value(
            "[...document.querySelectorAll('.timeline .label')].map((one) => one.textContent)"
        )
        assert sorted(one[:6] for one in labels) == ["born: ", "crisis", "milest"]
        assert page.value("document.querySelectorAll('.timeline rect.save').length") == 2
        page.value("document.querySelector('.timeline').focus()")
        told = "document.querySelector('.timeline').getAttribute('aria-valuetext')"
        assert page.value(told) == "tick 900, autosave"
        page.press("ArrowLeft")
        assert page.value(told) == "tick 900, milestone: Noon"
        assert "5 B" in page.text(".chosen")  # what was saved at this tick is what opens
        assert "Nothing was saved" not in page.text(".chosen")
        page.press("ArrowLeft")
        assert page.value(told) == f"tick 500, crisis: {HOSTILE}"
        assert "Nothing was saved here: the state before it opens." in page.text(".chosen")
        focus_on(page, "Download", ".chosen")
        page.value("document.querySelector('.timeline').focus()")
        page.press("ArrowLeft")
        assert page.value(told) == "tick 400, saved"
        assert page.text(".chosen h4") == "saved"
        follow(page, "As a list: 5 entries")
        page.wait("the list", "document.querySelectorAll('#one details li').length === 5")
        is_well_made(page)

        # A tick between two opens what was before it.
        fill(page, "Open a tick", "899")
        page.press("Enter")
        page.wait(
            "what was opened", "byId('one').innerText.includes('Tick 400, the last before it')"
        )
        file = tmp_path / "universe_main-400.json"
        wait_for("its bytes", ARRIVE_S, lambda: holds(file))
        assert file.read_bytes() == world
        fill(page, "Open a tick", "99")
        page.press("Enter")
        page.wait("why not", "byId('one').innerText.includes('no snapshot at or before tick 99')")
        is_well_made(page)

        # Forked there by the keyboard; its tree is drawn, and leads back.
        follow(page, "Fork here")
        fill(page, "What to call the fork", "Foxes alone")
        page.press("Enter")
        page.wait("the fork", "byId('one-head').textContent === 'Foxes alone'")
        page.wait("its tree", "document.querySelectorAll('.tree a').length === 2")
        fork = alice.client.get("/api/universe/universe:main/forks")["forks"][0]
        assert (fork["name"], fork["forkOf"]["snapshotTick"]) == ("Foxes alone", 400)
        assert page.value("document.querySelector('.tree a[aria-current]').ariaLabel") == (
            "Foxes alone, from tick 400"
        )
        follow(page, "Souls, followed")
        follow(page, "soul:cain")
        page.wait("its stays", "byId('one').innerText.includes('there when it was forked')")
        # After a fork these are two lives, each of its own universe.
        place = f"your {str(fork['id'])[:17]}…"
        assert f"soul:cain of {place} is in {place}." in page.text("#one")
        follow(page, "Parents and children")
        cain = "Cain born in your universe:main at tick 100"
        page.wait("who was born", f"byId('one').innerText.includes('{cain}')")
        is_well_made(page)
        main = f"{alice.did}/universe:main"
        page.value("document.querySelector('.tree a').focus()")
        page.press("Enter")
        page.wait("its parent", f"byId('one-head').textContent === {json.dumps(HOSTILE)}")

        # What comes meanwhile is told, and shown once it is wanted.
        keep(alice, "universe:main", 2000, b"later still")
        page.wait("the news", "byId('one').innerText.includes('More has come')")
        follow(page, "More has come")
        page.wait("it", "byId('one').innerText.includes('3 snapshots')")
        assert page.value(told) == "tick 2,000, autosave"

        # What nobody knows, or no address names, is told and ends nothing.
        for hash in ("#universe/universe:none", "#universe/%zz"):
            page.value(f"location.hash = '{hash}'")
            page.wait("why not", "byId('one-head').textContent === 'It cannot be shown'")
            assert page.text("#one-body .bad")
            page.value(f"location.hash = '#universe/' + encodeURIComponent({json.dumps(main)})")
            page.wait("the other", f"byId('one-head').textContent === {json.dumps(HOSTILE)}")

        # Search finds it, and leads there.
        page.value("byId('q').value = 'Foxes', showFound(), 0")
        page.wait("the answer", "byId('found').getAttribute('aria-busy') === 'false'")
        focus_on(page, "Foxes alone", "#found")
        page.value("showFound()")
        standing = page.value("document.activeElement.getAttribute('href')")
        assert standing, "drawn anew beneath who stands there"
        assert page.value(REDRAWN) == ["Revoke invite b", "no other that is called so"]
        focus_on(page, "Foxes alone", "#found")
        page.press("Enter")
        page.wait("it to be found", "byId('one-head').textContent === 'Foxes alone'")
        page.value("history.back()")
        page.wait("the other", f"byId('one-head').textContent === {json.dumps(HOSTILE)}")

        # A passage between the two, by whom it is travelled, and its end.
        passes(page, alice, str(fork["fullName"]), tmp_path / "soul_cain.json")
        looks_at_a_player(page, alice)
        assert page.value("document.querySelectorAll('main script, main [onerror]').length") == 0


# A list drawn anew beneath who stands on the second of its buttons, which look alike; then of such
# as nothing tells apart.
REDRAWN = """(() => {
    const place = byId('invites');
    const made = (label) => button('Revoke', label, () => {});
    const draw = (...labels) => redraw(place, labels.map(made));
    const standing = () => place.contains(document.activeElement)
        ? document.activeElement.ariaLabel : 'no other that is called so';
    const after = (...labels) => {
        draw(...labels);
        place.children[1].focus();
        draw(...labels);
        return standing();
    };
    return [after('Revoke invite a', 'Revoke invite b'), after('Revoke', 'Revoke')];
})()"""


def passes(page: Page, at: LocalNode, target: str, file: Path) -> None:
    follow(page, "Propose a passage")
    fill(page, "To which universe", target)
    waits = "[...document.querySelectorAll('#one option')].find((one) => one.value === 'ask')"
    page.value(f"{waits}.selected = true")
    page.press("Enter")
    page.wait("it to be open", "byId('one').innerText.includes('It is open.')")
    (passage,) = at.client.get("/api/passages")["passages"]
    wish = {"data": "e30=", "soul": "soul:cain", "from": passage["source"], "tick": 950}
    at.client.post(f"/api/passage/{quote(passage['fullName'], safe='')}/travel", wish)
    page.value(f"location.hash = '#passage/' + encodeURIComponent('{passage['fullName']}')")
    page.wait("its traveller", "byId('one').innerText.includes('soul:cain')")
    assert "soul:cain is on its way from your universe:main to " in page.text("#one")
    assert page.value("document.querySelectorAll('.crossing .traveller.in-transit').length") == 1
    follow(page, "Download", "#one li")
    wait_for("its bytes", ARRIVE_S, lambda: holds(file))
    assert file.read_bytes() == b"{}"
    made = f" by you · {shortened(passage['id'])}"
    page.wait("who made it", f"byId('passages').innerText.includes({json.dumps(made)})")
    is_well_made(page)
    follow(page, "Let in")
    page.wait("it to be let in", "byId('one').innerText.includes('soul:cain is let in.')")
    assert "soul:cain is in " in page.text("#one")
    page.wait("its place", "!!document.querySelector('.crossing .traveller.in')")
    follow(page, "Close it")
    page.wait("it to be closed", "byId('one').innerText.includes('It is closed.')")
    assert at.client.get("/api/passages")["passages"][0]["state"] == "closed"
    is_well_made(page)


def looks_at_a_player(page: Page, at: LocalNode) -> None:
    links = ["https://example.org/a", "http://example.org/b"]
    player = {"id": "player:alice", "displayName": HOSTILE, "links": links}
    at.client.post("/api/player", player)
    page.wait("the player", "byId('players').innerText.includes('player:alice')")
    page.value("document.querySelector('#players a').focus()")
    page.press("Enter")
    page.wait("the profile", "byId('one').innerText.includes('What others signed of them')")
    told = page.text("#one")
    for said in ("you, as others see you in games", "Universes: 2", "Foxes alone", "Nothing."):
        assert said in told
    assert page.value("document.querySelector('#one a[rel*=noreferrer]').href") == links[0]
    is_well_made(page)


# What a picture of a year of autosaves is made of, in the browser.
MANY = """(() => {
    const entries = Array.from({ length: 10000 }, (_, at) => ({
        tick: 10 * at, timestamp: 1, type: at % 50 ? 'auto' : 'birth', word: at % 50 ? 'autosave' : 'born', title: `Nr ${at}`,
        event: at % 50 ? undefined : 'ab', snapshot: `${at}`, hasSnapshot: true, canFork: true, importance: at % 7, fileSize: 9,
    }));
    window.chosen = [];
    window.many = new Timeline(entries, (one) => window.chosen.push(one.tick), () => {});
    byId('one').hidden = false;
    byId('one-body').replaceChildren(window.many.place);
})()"""  # noqa: E501 - a script


def test_a_picture_of_ten_thousand_saves_has_few_parts_and_shows_each(
    alice: LocalNode, tmp_path: Path
) -> None:
    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        page.wait("the lists", "byId('universes-said').textContent")
        page.value(MANY)
        parts = page.wait("the picture", "document.querySelectorAll('.timeline svg *').length")
        assert 100 < parts < 700
        labels = "[...document.querySelectorAll('.timeline .label')].map((one) => one.textContent)"
        assert any(" +" in one for one in page.value(labels)), "heaps say how many"
        page.value("document.querySelector('.timeline').focus()")
        for _ in range(20):  # until single saves stand apart
            page.value("(() => { const one = window.many; one.zoom(2, one.x(50000)); })()")
        seen = page.value("[window.many.from, window.many.to]")
        assert seen[1] - seen[0] < 10
        assert seen[0] <= 50_000 <= seen[1]
        assert page.value("window.many.inSight().map((one) => one.tick)") == [50_000]
        page.press("Home")
        assert page.value("window.chosen.at(-1)") == 0
        page.press("PageUp")
        assert page.value("window.chosen.at(-1)") == 100
        page.value("window.many.show(...window.many.ends), 0")
        # A heap that is pressed is looked into.
        box = page.value(
            "(({ x, y, width }) => [x + width / 2, y + AT_Y.axis + 10])"
            "(document.querySelector('.timeline').getBoundingClientRect())"
        )
        page.value("document.querySelector('.timeline').scrollIntoView(), 0")
        box = page.value(
            "(({ x, y, width }) => [x + width / 2, y + AT_Y.axis + 10])"
            "(document.querySelector('.timeline').getBoundingClientRect())"
        )
        for type in ("mousePressed", "mouseReleased"):
            page.do(
                "Input.dispatchMouseEvent", type=type, x=box[0], y=box[1], button="left",
                clickCount=1,
            )  # fmt: skip
        assert page.wait("a closer look", "many.to - many.from < 5000 && many.to - many.from")
        assert page.value("window.many.from <= chosen.at(-1) && chosen.at(-1) <= window.many.to")
        # Ticks beyond what JavaScript counts exactly are drawn all the same.
        page.value(
            "many = new Timeline([0, 1, '9223372036854775807'].map((tick) => ({ tick, timestamp: 1,"
            " type: 'auto', word: 'autosave', title: '', importance: 0 })), () => {}, () => {}),"
            " byId('one-body').replaceChildren(many.place)"
        )
        last = page.wait("the last", "document.querySelector('.timeline').ariaValueText")
        assert last == "tick 9,223,372,036,854,775,807, autosave"
        assert page.wait("both", "document.querySelectorAll('.timeline rect.save').length === 2")


def test_a_person_comes_to_the_last_of_many_passages(alice: LocalNode, tmp_path: Path) -> None:
    many = 102  # one page of them is 100
    ends = [f"universe:{name}" for name in ("here", "there")]
    for id in ends:
        alice.client.post("/api/universe", {"id": id, "name": id, "visibility": "public"})
    source, target = ends
    for number in range(many):
        wish = {"id": f"passage:{number}", "name": f"Way {number}"}
        alice.client.post(
            "/api/passage", wish | {"sourceUniverseId": source, "targetUniverseId": target}
        )
    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        page.wait("the list", "byId('passages').innerText.includes('Way 101')")
        shown = "byId('passages').querySelectorAll('li').length"
        assert page.value(shown) == 10
        follow(page, "Show those after these", "#passages")
        page.wait("the first that was made", "byId('passages').innerText.includes('Way 0')")
        assert page.value(shown) >= 12
        gone = "!byId('passages').innerText.includes('Show those after these')"
        page.wait("no more", gone)
        is_well_made(page)
