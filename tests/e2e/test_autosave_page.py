"""A game in a browser takes its saves along: they outlive the page, and each arrives once.

Chromium loads the game from a server of its own; its saves lie in the IndexedDB of that browser.
"""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.browser import Page, opened
from tests.e2e.story import Shell
from tests.e2e.test_autosave import Alice, alice, game, kept, make
from tests.e2e.test_page import browser

__all__ = ["alice", "browser", "game"]

pytestmark = [pytest.mark.nodes, pytest.mark.registry, pytest.mark.usefixtures("browser")]

UNIVERSE = "universe:page"
PAGE = """<!doctype html><title>A game</title><script type="module">
import { Autosave, IndexedDbStore } from "./panspermia_autosave.mjs";
const open = (name, more) => Autosave.open({
  universe: "universe:page", store: new IndexedDbStore(name), ...more,
});
globalThis.usual = {
  node: async () => (await fetch("/node.json", { cache: "no-store" })).json(),
  backoffMs: [50, 200], blockedMs: 200,
};
globalThis.saves = await open("game", usual);
globalThis.begunWith = saves.status().waiting;
globalThis.open = open;
globalThis.store = new IndexedDbStore("game");
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def at(folder: Path) -> Generator[str]:
    """The origin of the game's own server."""
    serving = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serving) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def tell(folder: Path, alice: Alice) -> None:
    """The game where its node is, or was."""
    token = (alice.home / "token").read_text().strip()
    place = {"url": alice.node.ready["api"], "token": token}
    (folder / "node.json").write_text(json.dumps(place))


def begun(page: Page) -> int:
    """How many saves wait from before, once the game has begun."""
    return int(page.wait("the game", "globalThis.store && !globalThis.isOld && `${begunWith}`"))


def again(page: Page) -> int:
    """The same of the page loaded anew."""
    page.value("globalThis.isOld = true")
    page.do("Page.reload")
    return begun(page)


def save(page: Page, first: int, end: int) -> None:
    """One after the other, each as soon as the one before is kept."""
    page.value(
        f"""(async () => {{
            for (let tick = {first}; tick < {end}; tick += 1)
                await saves.save(new TextEncoder().encode(`state ${{tick}}`), {{ tick }});
        }})()"""
    )


def states(end: int) -> dict[int, bytes]:
    return {tick: b"state %d" % tick for tick in range(end)}


def refused(page: Page, saves: str) -> list[str]:
    """What the game is told of each of them."""
    told: list[str] = page.value(
        f"Promise.all([{saves}].map((one) => one.then(() => 'kept', String)))"
    )
    return told


def test_saves_outlive_the_page_and_the_browser_and_each_arrives_once(
    alice: Alice, game: Path, shell: Shell, tmp_path: Path
) -> None:
    folder = game.parent
    (folder / "index.html").write_text(PAGE)
    make(alice, UNIVERSE)
    tell(folder, alice)
    alice.node.stop()
    with at(folder) as origin:
        assert shell(alice.home, "config", "set", "api.allowed_origins", origin).code == 0
        with opened(f"{origin}/", tmp_path / "browser") as page:
            assert begun(page) == 0
            save(page, 0, 20)
            problem = page.wait("what is in the way", "saves.status().problem")
            assert f"panspermia config set api.allowed_origins {origin}" in problem
            assert again(page) == 20
            save(page, 20, 30)
        with opened(f"{origin}/", tmp_path / "browser") as page:
            assert begun(page) == 30
            latest = page.value("saves.latest().then((one) => one.tick)")
            assert latest == 29
            alice.start()
            tell(folder, alice)
            page.wait("all to be sent", "saves.flush(1_000)")
            assert page.value("saves.status().sent") == 30
            assert kept(alice, UNIVERSE) == states(30)
            save(page, 30, 60)
            again(page)  # some of them are in the node by then, and one may be on its way
            page.wait("the others to be sent", "saves.flush(1_000)")
            assert kept(alice, UNIVERSE) == states(60)
            assert page.value("saves.latest().then((one) => one.tick)") == 59
            page.wait("the older to be let go", "store.rows().then((rows) => rows.length === 1)")
            rows = page.value("store.rows()")
            assert [(one["number"], one["ending"]) for one in rows] == [(60, "sent")]

            # As two tabs with the game: neither takes a place that is the other's.
            newest, both = page.value(
                """(async () => {
                    const other = await open("game", usual);
                    const newest = [];
                    for (let tick = 60; tick < 65; tick += 1)
                        await saves.save(`state ${tick}`, { tick });
                    while (saves.status().waiting) await saves.flush(1_000);
                    await other.save("state 65", { tick: 65 });  // the numbers below were sent
                    newest.push((await other.latest()).tick);
                    while (other.status().waiting) await other.flush(1_000);
                    newest.push((await saves.latest()).tick);
                    const saved = [];
                    for (let tick = 66; tick < 80; tick += 1)
                        saved.push([saves, other][tick % 2].save(`state ${tick}`, { tick }));
                    await Promise.all(saved);
                    globalThis.third = await open("game", usual);
                    while (![saves, other, third].every((one) => one.status().waiting === 0))
                        for (const one of [saves, other, third]) await one.flush(1_000);
                    return [newest, [saves, other, third].map((one) => one.status())];
                })()"""
            )
            assert newest == [65, 65]
            assert [(one["problem"], one["refused"]) for one in both] == [("", 0)] * 3
            assert kept(alice, UNIVERSE) == states(80)


def test_what_cannot_be_kept_is_said_and_what_no_node_takes_is_put_aside(
    alice: Alice, game: Path, shell: Shell, tmp_path: Path
) -> None:
    folder = game.parent
    (folder / "index.html").write_text(PAGE)
    make(alice, UNIVERSE)
    with at(folder) as origin:
        alice.node.stop()
        assert shell(alice.home, "config", "set", "api.allowed_origins", origin).code == 0
        alice.start()
        tell(folder, alice)
        with opened(f"{origin}/", tmp_path / "browser") as page:
            assert begun(page) == 0
            wrong = """saves.save("", { tick: 1 }), saves.save(new Uint8Array(), { tick: 1 }),
                saves.save("x", { tick: -1 }), saves.save("x", { tick: 1.5 }),
                saves.save("x", { tick: 1, day: 3.5 }), saves.save("x", { tick: 1, day: -1 }),
                saves.save("x", { tick: 1, kind: "other" })"""
            few = "RangeError: a save has one byte at least"
            other = "RangeError: a save is one of auto, manual, canonical, of a whole tick"
            said = refused(page, wrong)
            assert [said[0], said[1]] == [few, few]
            assert all(one.startswith(other) for one in said[2:]), said
            assert page.value("saves.status().waiting") == 0
            page.value(
                """(async () => {
                    const sent = fetch;  // what stands between a page and its node may say anything
                    globalThis.fetch = (at, more) =>
                        sent(String(at).replace(/tick=1(0.|10|11)&/, "tick=none&"), more);
                    for (let tick = 100; tick < 112; tick += 1)
                        await saves.save("x", { tick });
                    await saves.save("a town", { tick: 112, kind: "canonical" });
                })()"""
            )
            page.wait("all to be tried", "saves.flush(1_000)")
            status = page.value("saves.status()")
            assert (status["sent"], status["refused"], status["waiting"]) == (1, 12, 0)
            assert status["dropped"] == 2
            rows = page.value("store.rows()")
            assert [one["ending"] for one in rows] == ["refused"] * 10 + ["sent"]
            there = kept(alice, UNIVERSE)
            assert {tick: there[tick] for tick in there if tick >= 100} == {112: b"a town"}
            page.value(
                """saves.save("a city", {
                    tick: 113, kind: "canonical", event: { type: "No word", title: "" },
                })"""
            )
            page.wait("the city to be sent", "saves.flush(1_000)")
            assert "the event of tick 113 was left out" in page.value("saves.status().problem")
            assert kept(alice, UNIVERSE)[113] == b"a city"

            # Of more than may wait the oldest automatic ones go, and the newest never.
            waits = page.value(
                """(async () => {
                    const node = () => new Promise(() => {});  // on its way for ever
                    const few = await open("few", { node, waitingMax: 3, waitingBytesMax: 100 });
                    const kinds = ["auto", "manual", "auto", "auto", "manual", "manual"];
                    for (let tick = 0; tick < kinds.length; tick += 1)
                        await few.save("x", { tick, kind: kinds[tick] });
                    const three = (await few.latest()).tick;
                    await few.save("x".repeat(200), { tick: 9 });
                    return [three, few.status()];
                })()"""
            )
            assert waits[0] == 5
            assert (waits[1]["waiting"], waits[1]["waitingBytes"], waits[1]["dropped"]) == (
                2,
                201,
                5,
            )
            page.value("saves.close()")
            closed = refused(page, 'saves.save("x", { tick: 1 })')
            assert closed == ["Error: these saves were closed"]
