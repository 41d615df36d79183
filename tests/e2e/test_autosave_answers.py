"""The helper in TypeScript does with answers, and with files, what the one in Python does."""

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_autosave import game
from tests.node.clients.answering import (
    ANSWERS,
    MISMATCHES_MAX,
    REFUSED,
    SENT,
    Answering,
    Heard,
    answering,
    by_row,
    problem,
)

__all__ = ["game"]

pytestmark = [pytest.mark.nodes, pytest.mark.registry]

DEADLINE_S = 60.0
MISDIRECTED = 421
"""`fetch` sends what is answered so once more by itself, on another connection (Fetch standard,
HTTP-network-or-cache fetch): a server may hear that after the next try."""
BEGIN = """
import fs from "node:fs/promises";
import path from "node:path";
import { syncBuiltinESMExports } from "node:module";
import { Autosave, FolderStore, MemoryStore } from "./panspermia_autosave.mjs";
const [url, folder, count] = process.argv.slice(2);
const open = (start, more) => Autosave.open({
  universe: "universe:main", store: new MemoryStore(),
  node: async () => ({ url: `${url}/${start}`, token: "t" }),
  backoffMs: [1, 10], blockedMs: 10, ...more,
});
const nobody = { node: async () => { throw new Error("nobody"); } };
const until = async (holds) => {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 5));
};
const names = async () => (await fs.readdir(folder)).map((name) => name.replace(/^0+/, "")).sort();
const tell = (said) => console.log(JSON.stringify(said));
"""


def play(game: Path, script: str, url: str, folder: Path, *more: str) -> dict[str, Any]:
    """What it says at its end."""
    path = game.parent / "answers.mjs"
    path.write_text(BEGIN + script)
    command = ["node", str(path), url, str(folder), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_what_becomes_of_a_save_by_what_the_node_answers(game: Path, tmp_path: Path) -> None:
    script = """
    const rows = {};
    for (let row = 0; row < Number(count); row += 1) {
      const saves = await open(row);
      await saves.save("state", { tick: 7 });
      await saves.flush(60_000);
      rows[row] = saves.status();
      await saves.close();
    }
    tell(rows);
    """
    with answering() as told:
        told.answer = by_row(told)
        rows = play(game, script, told.url, tmp_path, str(len(ANSWERS)))
    for number, (status, code, ending) in enumerate(ANSWERS):
        said, heard = rows[str(number)], [one for one in told.heard if one.start == str(number)]
        is_refused = ending == REFUSED
        assert (said["sent"], said["refused"]) == (not is_refused, is_refused), (status, code)
        if status == MISDIRECTED:
            assert len(heard) >= 3
        else:
            assert len(heard) == (1 if ending in (SENT, REFUSED) else 3), (status, code)
        assert len({one.key for one in heard}) == 1
        if is_refused:
            why = "it is so" if code else f"status {status}: no JSON"
            assert said["problem"] == f"the node will not take a save: {why}"


def test_a_try_that_fails_without_a_word_is_no_save_that_was_sent(
    game: Path, tmp_path: Path
) -> None:
    """As of a game that looks whether its node runs: where each address of `localhost` refuses,
    Node.js rejects with an AggregateError whose message is empty."""
    script = """
    const refused = [new Error("connect ECONNREFUSED ::1:1"), new Error("")];
    const wrongs = [
      new AggregateError(refused), new AggregateError([]), new Error(),
      new TypeError("", { cause: new Error() }), "",
    ];
    const problems = [];
    for (const [at, wrong] of wrongs.entries()) {
      const store = new FolderStore(`${folder}/${at}`);
      let isThere = false, tries = 0;
      const node = async () => {
        tries += 1;
        if (isThere) return { url: `${url}/${at}`, token: "t" };
        throw wrong;
      };
      const saves = await open(at, { store, node });
      for (let tick = 1; tick <= 5; tick += 1) await saves.save(`state ${tick}`, { tick });
      await until(() => tries > 5 || saves.status().sent);
      const { waiting, sent, problem } = saves.status();
      problems.push([waiting, sent, problem, (await fs.readdir(`${folder}/${at}`)).length]);
      isThere = true;
      await saves.flush(60_000);
      await saves.close();
    }
    tell({ problems });
    """
    with answering() as told:
        said = play(game, script, told.url, tmp_path)
    assert said["problems"] == [
        [5, 0, "connect ECONNREFUSED ::1:1; Error", 5], [5, 0, "AggregateError", 5],
        [5, 0, "Error", 5], [5, 0, "TypeError: Error", 5], [5, 0, "an error without a word", 5],
    ]  # fmt: skip
    for at in range(5):
        bodies = [one.body for one in told.heard if one.start == str(at)]
        assert bodies == [b"state %d" % tick for tick in range(1, 6)]


def test_bytes_that_never_arrive_as_they_are_are_given_up(game: Path, tmp_path: Path) -> None:
    script = """
    const saves = await open(0);
    await saves.save("state", { tick: 7 });
    await saves.flush(60_000);
    tell(saves.status());
    await saves.close();
    """
    with answering() as told:
        told.answer = lambda _: problem(422, "checksum-mismatch")
        said = play(game, script, told.url, tmp_path)
    assert (said["refused"], len(told.heard)) == (1, MISMATCHES_MAX)


def test_events_and_what_a_universe_that_was_deleted_is_told(game: Path, tmp_path: Path) -> None:
    script = """
    const saves = await open("events");
    const problems = [];
    const save = async (state, options) => {
      await saves.save(state, options);
      await saves.flush(60_000);
      problems.push(saves.status().problem);
    };
    await save("one", { tick: 1, kind: "canonical", event: { type: "wrong", title: "" } });
    await save("two", { tick: 2 });
    await save("three", { tick: 3, event: { type: "founded", title: "A town" } });
    for (const more of [{ description: "é".repeat(1_025) },
        { souls: Array(90).fill("x".repeat(100)) }, { entities: Array(70).fill("水".repeat(100)) }])
      await save("long", { tick: 4, event: { type: "founded", title: "A town", ...more } });
    const status = saves.status();
    await saves.close();
    const gone = await open("gone");
    await gone.save("state", { tick: 1 });
    await until(() => gone.status().problem);
    problems.push(gone.status().problem);
    await gone.close();
    const wide = await open("events", { media: "x".repeat(2 ** 20) });
    const refused = await wide.save("x", { tick: 1 }).then(() => "kept", String);
    await wide.close();
    tell({ problems, status, refused });
    """

    def answer(heard: Heard) -> tuple[int, object]:
        if heard.start == "gone":
            return problem(404, "unknown-record", "universe:main is deleted: UNDO brings it back")
        if "wrong" in heard.query.get("event", ""):
            return problem(422, "invalid-record", "no type of events")
        return 201, {"success": True}

    with answering() as told:
        told.answer = answer
        said = play(game, script, told.url, tmp_path)
    left = "was left out, and its state saved without it: "
    first = f"the event of tick 1 {left}the node will not take a save: no type of events"
    assert said["problems"][:3] == [first, first, ""]
    whys = ["its description has 2050 bytes", "characters as JSON", "bytes in an address"]
    for why, found in zip(whys, said["problems"][3:6], strict=True):
        assert found.startswith(f"the event of tick 4 {left}"), found
        assert why in found
    assert said["problems"][6] == "universe:main is deleted: UNDO brings it back"
    assert (said["status"]["sent"], said["status"]["refused"]) == (6, 0)
    assert said["refused"].startswith("RangeError: what is said of a save has"), said["refused"]
    heard = [one for one in told.heard if one.start == "events"]
    assert [("event" in one.query, one.body) for one in heard] == [
        (True, b"one"), (False, b"one"), (False, b"two"), (True, b"three"),
        (False, b"long"), (False, b"long"), (False, b"long"),
    ]  # fmt: skip
    assert heard[0].key != heard[1].key
    assert all(int(one.query["made_ms"]) > 1_600_000_000_000 for one in heard)


def test_files_that_cannot_be_opened_for_a_moment_are_sent_later(
    game: Path, tmp_path: Path
) -> None:
    """They are links to a folder for so long; each change is one act."""
    script = """
    const beside = `${folder} beside`;
    await fs.mkdir(beside);
    const first = await open(0, { store: new FolderStore(folder), ...nobody });
    await first.save("founded", { tick: 0, kind: "canonical" });
    for (let tick = 1; tick < 15; tick += 1) await first.save(`state ${tick}`, { tick });
    await first.close();
    const locked = (await fs.readdir(folder)).sort().slice(0, 13);
    const lock = async (name) => {
      await fs.link(path.join(folder, name), path.join(beside, name));
      await fs.symlink(beside, path.join(beside, "link"));
      await fs.rename(path.join(beside, "link"), path.join(folder, name));
    };
    const unlock = (name) => fs.rename(path.join(beside, name), path.join(folder, name));
    for (const name of locked) await lock(name);

    const long = { backoffMs: [600_000, 600_000] };
    const asleep = { ...nobody, ...long, waitingMax: 14 };
    const few = await open(0, { store: new FolderStore(folder), ...asleep });
    await until(() => few.status().problem.includes("nobody"));  // what is being sent stays
    await few.save("state 15", { tick: 15 });  // in the place of those that can be read
    const dropped = few.status().dropped;
    await few.close();

    const saves = await open(0, { store: new FolderStore(folder), ...long });
    await until(() => saves.status().sent === 1);
    await until(() => saves.status().problem.includes("cannot be read now"));
    const meanwhile = saves.status();
    await saves.save("state 16", { tick: 16 });
    await until(() => saves.status().sent === 2);
    for (const name of locked) await unlock(name);
    await saves.flush(60_000);
    tell({ dropped, meanwhile, status: saves.status(), names: await names() });
    await saves.close();
    """
    with answering() as told:
        said = play(game, script, told.url, tmp_path / "saves")
    assert said["dropped"] == 2, said
    assert (said["meanwhile"]["waiting"], said["meanwhile"]["refused"]) == (13, 0)
    assert (said["status"]["sent"], said["status"]["refused"], said["status"]["dropped"]) == (
        15,
        0,
        0,
    )


def test_a_save_that_is_sent_while_the_newest_is_looked_for_is_found(
    game: Path, tmp_path: Path
) -> None:
    """It has another name then than the folder said."""
    script = """
    const saves = await open(0, { store: new FolderStore(folder), ...nobody });
    await saves.save("old", { tick: 1 });
    await saves.save("new", { tick: 2 });
    const { readdir } = fs;
    fs.readdir = async (place) => {
      const names = await readdir(place);
      for (const name of names.filter((one) => one.endsWith("2.save"))) {
        await fs.rename(path.join(place, name), path.join(place, name.replace("save", "sent")));
      }
      return names;
    };
    syncBuiltinESMExports();
    const latest = await saves.latest();
    tell({ tick: latest?.tick, names: await names() });
    await saves.close();
    """
    said = play(game, script, "http://127.0.0.1:1", tmp_path / "saves")
    assert said == {"tick": 2, "names": ["1.save", "2.sent"]}


def test_what_is_refused_and_whole_is_counted_and_what_is_being_sent_stays(
    game: Path, tmp_path: Path
) -> None:
    script = """
    const saves = await open("refused", { store: new FolderStore(folder) });
    for (let tick = 0; tick < 12; tick += 1) await saves.save("state", { tick });
    await saves.flush(60_000);
    await until(async () => (await names()).length === 10);
    await until(() => saves.status().dropped === 2);
    const refused = saves.status();
    await saves.close();

    const held = await open("held", { waitingMax: 2, store: new MemoryStore() });
    await held.save("state 1", { tick: 1 });
    await fetch(`${url}/begun`, { method: "POST", body: "x", headers: { "Idempotency-Key": "x" } });
    for (let tick = 2; tick < 6; tick += 1) await held.save(`state ${tick}`, { tick });
    const dropped = held.status().dropped;
    await fetch(`${url}/free`, { method: "POST", body: "x", headers: { "Idempotency-Key": "x" } });
    await held.flush(60_000);
    tell({ refused, dropped, sent: held.status().sent });
    await held.close();
    """
    with answering() as told:
        told.answer = Held(told).answer
        said = play(game, script, told.url, tmp_path / "saves")
    assert (said["refused"]["refused"], said["refused"]["dropped"]) == (12, 2)
    assert (said["dropped"], said["sent"]) == (3, 2)
    assert [one.body for one in told.heard if one.start == "held"] == [b"state 1", b"state 5"]


def test_what_cannot_be_put_aside_holds_up_no_other_and_a_slow_line_is_no_broken_one(
    game: Path, tmp_path: Path
) -> None:
    script = """
    const first = await open(0, { store: new FolderStore(folder), ...nobody });
    await first.save("one", { tick: 1 });
    await first.close();
    const [name] = await fs.readdir(folder);
    const held = path.join(folder, name.replace("save", "sent"));
    await fs.mkdir(path.join(held, "by"), { recursive: true });
    const saves = await open(0, { store: new FolderStore(folder) });
    await until(() => saves.status().problem);
    await saves.save("two", { tick: 2 });
    await until(() => saves.status().sent === 1);
    await fs.rm(held, { recursive: true });
    await saves.flush(60_000);
    const status = saves.status();
    await saves.close();
    const slow = await open("slow", { timeoutMs: 0 });
    await slow.save("x".repeat(1_000_000), { tick: 3 });
    await slow.flush(60_000);
    tell({ status, slow: slow.status() });
    await slow.close();
    """
    with answering() as told:
        told.answer = lambda _: (201, {"success": True})
        said = play(game, script, told.url, tmp_path / "saves")
    assert (said["status"]["sent"], said["status"]["waiting"]) == (2, 0), said
    assert (said["slow"]["sent"], said["slow"]["problem"]) == (1, "")
    assert len({one.key for one in told.heard if one.start == "0"}) == 2
    assert len([one for one in told.heard if one.start == "slow"]) == 1


class Held:
    """Whoever is `held` is answered once somebody says `free`; `begun` once one is there."""

    def __init__(self, told: Answering) -> None:
        self.told = told
        self.is_begun, self.is_free = threading.Event(), threading.Event()

    def answer(self, heard: Heard) -> tuple[int, object]:
        match heard.start:
            case "refused":
                return problem(400, "bad-query")
            case "begun":
                assert self.is_begun.wait(DEADLINE_S)
            case "free":
                self.is_free.set()
            case _:
                self.is_begun.set()
                assert self.is_free.wait(DEADLINE_S)
        return 201, {"success": True}


def test_the_disk_has_a_save_before_it_has_its_name(game: Path, tmp_path: Path) -> None:
    script = """
    const calls = [];
    const file = await fs.open(process.argv[1], "r");
    const kind = Object.getPrototypeOf(file);
    await file.close();
    const { sync } = kind;
    kind.sync = async function () {
      const stat = await this.stat();
      await sync.call(this);
      calls.push(["synced", stat.isDirectory() ? 0 : stat.size]);
    };
    const { rename } = fs;
    fs.rename = async (from, to) => {
      await rename(from, to);
      calls.push(["renamed", path.basename(to)]);
    };
    syncBuiltinESMExports();
    const saves = await open(0, { store: new FolderStore(folder), ...nobody });
    const state = Buffer.from("x".repeat(100_000));
    const saved = saves.save(state, { tick: 1 });
    state.fill(0);  // the game goes on
    await saved;
    calls.push(["acknowledged", 0]);
    const kept = await saves.latest();
    tell({ calls, state: new TextDecoder().decode(kept.state).slice(0, 3), names: await names() });
    await saves.close();
    """
    said = play(game, script, "http://127.0.0.1:1", tmp_path / "saves")
    (path,) = (tmp_path / "saves").glob("*.save")
    assert path.stat().st_size > 100_000
    assert said["calls"] == [
        ["synced", path.stat().st_size], ["renamed", path.name], ["synced", 0], ["acknowledged", 0],
    ]  # fmt: skip
    assert (said["state"], said["names"]) == ("xxx", ["1.save"])
