"""What games take along, with a real node: saves that wait, a node that goes and comes, a kill."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.clients import panspermia_autosave
from node.clients.panspermia_autosave import Autosave
from node.commands.nodes import clean_environment, start_node, stop_all

pytestmark = pytest.mark.nodes

DEADLINE_S = 120.0
TYPESCRIPT = "5.9.3"
INDEXED_DB = "6.2.8"
CLIENT = Path(panspermia_autosave.__file__)
GAME = """
import sys
from panspermia_autosave import Autosave
saves = Autosave(sys.argv[1], "universe:killed", home=sys.argv[2])
for tick in range(100):
    saves.save(b"state %d" % tick, tick=tick)
    print(tick, flush=True)
saves.flush(600)
"""
GAME_TS = """
import {
  Autosave, FolderStore, IndexedDbStore, MemoryStore, nodeOf,
} from "./panspermia_autosave.mjs";
const [kind, universe, home, folder, count] = process.argv.slice(2);
if (kind === "indexeddb") await import(process.env.INDEXED_DB);
const store = { memory: () => new MemoryStore(), folder: () => new FolderStore(folder),
  indexeddb: () => new IndexedDbStore("game") }[kind]();
const saves = await Autosave.open({
  universe, store, node: nodeOf(home), backoffMs: [50, 200], blockedMs: 200,
});
const waited = saves.status().waiting;
for (let tick = 0; tick < Number(count); tick += 1) await saves.save(`state ${tick}`, { tick });
const awaited = process.env.PROBLEM;  // whoever waits for one need not send anything
while (awaited && !saves.status().problem.includes(awaited)) await saves.flush(100);
const isSent = awaited ? saves.status().waiting === 0 : await saves.flush(120000);
const latest = await saves.latest();
const state = latest && new TextDecoder().decode(latest.state);
console.log(JSON.stringify({ waited, isSent, state, ...saves.status() }));
await saves.close();
"""


ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "autosave.md").read_text()


class Alice:
    """Her node, which a test may stop, and starts again: at another port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.node = start_node("alice", self.folder, "--no-mdns")

    @property
    def home(self) -> Path:
        return self.node.home


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alice]:
    """One node for all here."""
    alice = Alice(tmp_path_factory.mktemp("autosave"))
    yield alice
    stop_all([alice.node])


def make(alice: Alice, universe: str) -> None:
    body: dict[str, Any] = {"id": universe, "name": universe, "ownerId": "player:me"}
    alice.node.client.post("/api/universe", body)


def kept(alice: Alice, universe: str) -> dict[int, bytes]:
    """The bytes of each tick; every tick is there once."""
    client = alice.node.client
    path = f"/api/universe/{universe}/snapshots"
    ticks = [one["tick"] for one in client.get(path, {"limit": 1_000})["snapshots"]]
    assert len(ticks) == len(set(ticks))
    start = f"/api/universe/{universe}/snapshot"
    return {tick: client.get_bytes(f"{start}/{tick}") for tick in ticks}


def opened(folder: Path, universe: str, alice: Alice) -> Autosave:
    return Autosave(folder, universe, home=alice.home, backoff_s=(0.05, 0.2), blocked_s=0.2)


def problem_of(saves: Autosave, part: str) -> str:
    """What is in the way, once it says this."""
    for _ in range(int(DEADLINE_S / 0.1)):
        if part in saves.status().problem or saves.flush(0.1):
            break
    return saves.status().problem


def test_a_hundred_saves_are_in_the_node_each_once(alice: Alice, tmp_path: Path) -> None:
    make(alice, "universe:hundred")
    saves = opened(tmp_path / "saves", "universe:hundred", alice)
    for tick in range(100):
        saves.save(b"state %d" % tick, tick=tick)
    event = {"type": "founded", "title": "The first town"}
    saves.save(b"a town", tick=100, kind="canonical", event=event)
    assert saves.flush(DEADLINE_S), saves.status()
    assert (saves.status().sent, saves.status().problem) == (101, "")
    expected = {tick: b"state %d" % tick for tick in range(100)}
    assert kept(alice, "universe:hundred") == expected | {100: b"a town"}
    saves.close()
    assert [path.suffix for path in (tmp_path / "saves").iterdir() if path.stem != "lock"] == [
        ".sent"
    ]
    timeline = alice.node.client.get("/api/universe/universe:hundred/snapshots", {"limit": 1_000})
    (canonical,) = [one for one in timeline["snapshots"] if one["type"] == "canonical"]
    assert canonical["canonEvent"]["title"] == "The first town"


def test_a_save_that_the_node_has_and_the_game_does_not_know_of_is_kept_once(
    alice: Alice, tmp_path: Path
) -> None:
    make(alice, "universe:once")
    first = opened(tmp_path, "universe:once", alice)
    first.save(b"state", tick=1)
    assert first.flush(DEADLINE_S), first.status()
    first.close()
    (sent,) = tmp_path.glob("*.sent")
    sent.rename(sent.with_suffix(".save"))  # as where the game was killed before its answer came
    again = opened(tmp_path, "universe:once", alice)
    assert again.flush(DEADLINE_S), again.status()
    again.close()
    assert kept(alice, "universe:once") == {1: b"state"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_requests_of_the_document_do_what_it_says(alice: Alice, tmp_path: Path) -> None:
    told = subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=False)
    if "--url-query" not in told.stdout:
        pytest.skip("curl is older than 7.87")
    script = DOCUMENT.partition("```sh\n")[2].partition("```")[0]
    assert "http://127.0.0.1:3000" in script
    (tmp_path / "state.json").write_text('{"entities": []}')
    done = subprocess.run(
        ["sh", "-e", "-c", script.replace("http://127.0.0.1:3000", str(alice.node.ready["api"]))],
        cwd=tmp_path, env={**os.environ, "PANSPERMIA_HOME": str(alice.home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout, done.stdout
    assert (tmp_path / "state.json").read_text() == '{"entities": []}'
    assert set(kept(alice, "universe:main")) >= {1200, 1300, 1500}


@pytest.mark.parametrize("language", ["Python", "TypeScript"])
def test_who_types_what_the_document_says_has_their_saves_in_the_node(
    alice: Alice, tmp_path: Path, language: str
) -> None:
    universe = f"universe:by-{language.lower()}"
    section = DOCUMENT.partition(f"## From {language}\n")[2].partition("\n## ")[0]
    section = section.replace("universe:main", universe)
    environment = {**clean_environment(), "PANSPERMIA_HOME": str(alice.home)}
    for line in section.partition("```sh\n")[2].partition("```")[0].splitlines():
        command, *words = shlex.split(line, comments=True)
        assert command == "panspermia"
        typed = [sys.executable, str(ROOT / "cli.py"), *words]
        subprocess.run(typed, cwd=tmp_path, env=environment, check=True)
    assert kept(alice, universe) == {}, "it is there"
    if language == "TypeScript":
        return  # its lines need a game around them: see the tests of the file itself
    snippet = section.partition("```python\n")[2].partition("```")[0]
    assert snippet.count("saves.close()") == 1
    waited = f"assert saves.flush({DEADLINE_S}), saves.status()\nsaves.close()"
    game = "state, show = b'state', print\n" + snippet.replace("saves.close()", waited)
    subprocess.run([sys.executable, "-c", game], cwd=tmp_path, env=environment, check=True)
    assert set(kept(alice, universe)) == {1200, 1500}


def test_what_only_a_person_can_mend_is_said_and_then_it_goes_on(
    alice: Alice, tmp_path: Path
) -> None:
    saves = opened(tmp_path / "saves", "universe:later", alice)
    saves.save(b"early", tick=1)
    assert problem_of(saves, "universe create") == (
        "no universe universe:later is known here;"
        " make it: panspermia universe create NAME --id universe:later"
    )
    make(alice, "universe:later")
    assert saves.flush(DEADLINE_S), saves.status()
    saves.close()
    wrong = Autosave(
        tmp_path / "wrong", "universe:later", home=alice.home, token="not a token", blocked_s=0.1
    )
    wrong.save(b"state", tick=2)
    assert "does not take this token" in problem_of(wrong, "token")
    wrong.close()
    assert set(kept(alice, "universe:later")) == {1}


def test_a_node_that_goes_is_waited_for(alice: Alice, tmp_path: Path) -> None:
    make(alice, "universe:away")
    saves = opened(tmp_path / "saves", "universe:away", alice)
    saves.save(b"one", tick=1)
    assert saves.flush(DEADLINE_S), saves.status()
    alice.node.stop()
    saves.save(b"two", tick=2)
    assert "no node runs in" in problem_of(saves, "no node runs in")
    alice.start()
    assert saves.flush(DEADLINE_S), saves.status()
    saves.close()
    assert kept(alice, "universe:away") == {1: b"one", 2: b"two"}


def test_what_waited_is_dated_by_when_it_was_made(alice: Alice, tmp_path: Path) -> None:
    make(alice, "universe:dated")
    alice.node.stop()
    saves = opened(tmp_path / "saves", "universe:dated", alice)
    event = {"type": "founded", "title": "A town", "description": "x" * 2_048}
    path = saves.save(b"one", tick=1, kind="canonical", event=event)
    made = panspermia_autosave.read_save(path)
    assert made is not None
    alice.start()
    assert saves.flush(DEADLINE_S), saves.status()
    saves.close()
    listed = alice.node.client.get("/api/universe/universe:dated/snapshots", {"limit": 10})
    (entry,) = listed["snapshots"]
    assert (entry["timestamp"], entry["canonEvent"]["title"]) == (made.at_ms, "A town")


def test_an_event_that_no_node_takes_leaves_its_state_there(alice: Alice, tmp_path: Path) -> None:
    make(alice, "universe:events")
    saves = opened(tmp_path / "saves", "universe:events", alice)
    for tick, wrong in enumerate(
        [{"type": "No word"}, {"title": "x" * 70_000}, {"description": "x" * 70_000}]
    ):
        event = {"type": "founded", "title": "A town", **wrong}
        saves.save(b"state %d" % tick, tick=tick, kind="canonical", event=event)
        assert saves.flush(DEADLINE_S), saves.status()
        assert f"the event of tick {tick} was left out" in saves.status().problem
    saves.save(b"state 3", tick=3)
    assert saves.flush(DEADLINE_S), saves.status()
    assert "its description has 70,000 bytes, at most 2,048" in saves.status().problem
    saves.close()
    assert kept(alice, "universe:events") == {tick: b"state %d" % tick for tick in range(4)}


def test_of_a_universe_that_was_deleted_it_is_said_how_it_comes_back(
    alice: Alice, tmp_path: Path
) -> None:
    make(alice, "universe:gone")
    alice.node.client.delete("/api/universe/universe:gone")
    saves = opened(tmp_path / "saves", "universe:gone", alice)
    saves.save(b"state", tick=1)
    problem = problem_of(saves, "is deleted")
    saves.close()
    assert problem.startswith("universe:gone is deleted: panspermia delete ")
    assert " --undo" in problem
    assert problem.endswith(" brings it back")


def test_a_game_that_is_killed_in_the_middle_goes_on(alice: Alice, tmp_path: Path) -> None:
    make(alice, "universe:killed")
    command = [sys.executable, "-c", GAME, str(tmp_path / "saves"), str(alice.home)]
    environment = clean_environment() | {"PYTHONPATH": str(CLIENT.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as game:
        assert game.stdout is not None
        told = [int(game.stdout.readline()) for _ in range(40)]
        game.kill()  # some are in the node by then, and one may be on its way
    saves = opened(tmp_path / "saves", "universe:killed", alice)
    assert saves.flush(DEADLINE_S), saves.status()
    saves.close()
    there = kept(alice, "universe:killed")
    assert set(told) <= set(there)
    assert all(state == b"state %d" % tick for tick, state in there.items())


@pytest.fixture(scope="module")
def game(npm_package: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript one, type-checked and compiled, with a game that uses it."""
    if not shutil.which("node"):
        pytest.skip("Node.js is not installed")
    compiler = npm_package("typescript", TYPESCRIPT)
    folder = tmp_path_factory.mktemp("game")
    shutil.copy(CLIENT.with_suffix(".ts"), folder / "panspermia_autosave.mts")
    options = {
        "strict": True, "noUncheckedIndexedAccess": True, "exactOptionalPropertyTypes": True,
        "noUnusedLocals": True, "noUnusedParameters": True, "noImplicitReturns": True,
        "erasableSyntaxOnly": True, "target": "es2022", "module": "nodenext",
        "lib": ["es2023", "dom", "dom.iterable"], "types": [],
    }  # fmt: skip
    told = {"compilerOptions": options, "files": ["panspermia_autosave.mts"]}
    (folder / "tsconfig.json").write_text(json.dumps(told))
    command = ["node", str(compiler / "bin/tsc"), "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (folder / "game.mjs").write_text(GAME_TS)
    return folder / "game.mjs"


def play(
    game: Path, store: str, universe: str, alice: Alice, folder: Path, count: int, **more: str
) -> dict[str, Any]:
    """What the game says at its end."""
    command = ["node", str(game), store, universe, str(alice.home), str(folder), str(count)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **more},
        timeout=2 * DEADLINE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.registry
@pytest.mark.parametrize("store", ["memory", "folder", "indexeddb"])
def test_the_typescript_one_keeps_a_hundred_saves_each_once(
    alice: Alice,
    game: Path,
    npm_package: Callable[[str, str], Path],
    store: str,
    tmp_path: Path,
) -> None:
    universe = f"universe:{store}"
    make(alice, universe)
    more = {}
    if store == "indexeddb":
        found = npm_package("fake-indexeddb", INDEXED_DB) / "auto/index.mjs"
        more = {"INDEXED_DB": found.as_uri()}
    said = play(game, store, universe, alice, tmp_path / "saves", 100, **more)
    assert (said["isSent"], said["sent"], said["problem"]) == (True, 100, ""), said
    assert said["state"] == "state 99"
    assert kept(alice, universe) == {tick: b"state %d" % tick for tick in range(100)}


@pytest.mark.registry
def test_what_the_typescript_one_could_not_send_the_python_one_does(
    alice: Alice, game: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saves"
    alice.node.stop()
    said = play(game, "folder", "universe:both", alice, folder, 3, PROBLEM="no node runs in")
    assert (said["isSent"], said["waiting"]) == (False, 3)
    alice.start()
    advice = "panspermia universe create NAME --id universe:both"
    said = play(game, "folder", "universe:both", alice, folder, 0, PROBLEM=advice)
    assert (said["waited"], said["waiting"]) == (3, 3)
    make(alice, "universe:both")
    saves = opened(folder, "universe:both", alice)
    assert saves.flush(DEADLINE_S), saves.status()
    saves.close()
    assert kept(alice, "universe:both") == {tick: b"state %d" % tick for tick in range(3)}
    assert play(game, "folder", "universe:both", alice, folder, 0)["state"] == "state 2"
