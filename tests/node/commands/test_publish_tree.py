"""A directory of modules published once more: what is there, what is not, and what changed."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest

from node.commands import publish, publish_life, publish_tree, same_version
from node.commands.module_parts import LOOKED_AT_MAX, LOOKED_FOR_S, known_files
from node.commands.publish_report import Report, Wanted
from node.commands.publish_tree import publish_module, read_those
from node.exit_codes import INTERRUPTED
from node.failure import Failure, Json
from registry import formats
from registry.formats import Format
from tests.node.modules import ADD, NOTHING, manifest, wasm
from tests.node.parts import Alice

PLAIN = Wanted(None, "commons", dry_run=False, update=False)
ID = "org.example.add"
LENIA_TWO = [
    {"code": f"T{number}", "name": f"Two {number}", "cells": f"y{'AB'[number]}.wC$.B!",
     "params": {"R": 13, "T": 10, "b": "1", "m": 0.15, "s": 0.014, "kn": 1, "gn": 1}}
    for number in range(2)
]  # fmt: skip
GLIDER = b"#N Glider\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"


@dataclass
class OverLoop:
    """What a command asks, from its own thread, of the node on the loop."""

    alice: Alice
    loop: asyncio.AbstractEventLoop

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Json, timeout_s: float = 30) -> Json:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **more: Any) -> Json:  # noqa: ANN401 - httpx's own
        asked = self.alice.client.request(method, path, **more)
        answer = asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)
        told: Json = answer.json() if answer.content else {}
        if answer.is_error:
            raise Failure(told)
        return told


@pytest.fixture
async def client(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> OverLoop:
    client = OverLoop(alice, asyncio.get_running_loop())
    for module in (publish, publish_life, publish_tree, same_version):
        monkeypatch.setattr(module, "node", lambda: client)
    return client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return module_in(tmp_path / "tree" / "add")


def module_in(folder: Path, id: str = ID, needs: Mapping[str, str] | None = None) -> Path:
    folder.mkdir(parents=True)
    text = manifest(id, "1.0.0", needs or {}).replace("[dep", 'readme = "README.md"\n[dep')
    (folder / "gen.toml").write_text(text)
    (folder / "README.md").write_text("# Add")
    (folder / "add.wasm").write_bytes(wasm(ADD))
    return folder


def run(
    *folders: Path, wanted: Wanted = PLAIN, meanwhile: Callable[[], object] = lambda: None
) -> Report:
    report = Report(total=len(folders))
    modules = read_those(folders, report)
    meanwhile()
    for module in modules:
        publish_module(module, modules, wanted, report)
        report.done += 1
    assert report.done == report.total
    return report


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "gen.toml").read_text()
    assert old in text
    (folder / "gen.toml").write_text(text.replace(old, new))


@pytest.mark.usefixtures("client")
async def test_the_same_folder_again_is_there(folder: Path, alice: Alice) -> None:
    (published,) = (await asyncio.to_thread(run, folder)).published
    assert published["state"] == "published"
    (again,) = (await asyncio.to_thread(run, folder)).published
    keys = ("state", "module", "version", "sha256", "file")
    name = f"{alice.node.identity.did}/{ID}"
    sha256 = published["sha256"]
    assert [again[key] for key in keys] == ["known", name, "1.0.0", sha256, str(folder)]


CHANGES: dict[str, tuple[str, str]] = {
    "description": ("adds two numbers", "adds two numbers well"),
    "license": ("MIT", "Apache-2.0"),
    "tags": ('["math"]', '["math", "sums"]'),
    "name": ("version =", 'name = "sums"\nversion ='),
    "dependencies": ("[dependencies]", '[dependencies]\n"org.example.other" = "*"'),
}


@pytest.mark.usefixtures("client")
async def test_what_differs_from_what_is_published_is_a_conflict(folder: Path) -> None:
    await asyncio.to_thread(run, folder)
    for what in (*CHANGES, "readme", "wasm"):
        changed = module_in(folder.parent / what)
        if what == "readme":
            (changed / "README.md").write_text("# Other")
        elif what == "wasm":
            (changed / "add.wasm").write_bytes(wasm(NOTHING))
        else:
            edit(changed, *CHANGES[what])
        report = await asyncio.to_thread(run, changed)
        assert report.published == [], what
        (refused,) = report.refused
        assert (refused["code"], report.only_exit) == ("version-exists", 6)
        assert refused["detail"].endswith(f"; what lies here differs in {what}")


@pytest.mark.usefixtures("client")
async def test_an_allowlist_that_would_refuse_it_is_another(folder: Path) -> None:
    calls = '(module (import "env" "now" (func)))'
    (folder / "add.wasm").write_bytes(wasm(calls))
    edit(folder, "[dep", '[capabilities]\nimports = ["env.now"]\n[dep')
    assert (await asyncio.to_thread(run, folder)).refused == []
    edit(folder, "env.now", "env.*")
    assert (await asyncio.to_thread(run, folder)).published[0]["state"] == "known"
    edit(folder, "env.*", "env.later")
    (refused,) = (await asyncio.to_thread(run, folder)).refused
    assert refused["detail"].endswith("differs in capabilities")


@pytest.mark.usefixtures("client")
async def test_needs_are_the_same_however_their_authors_are_written(
    folder: Path, alice: Alice
) -> None:
    did = alice.node.identity.did
    await alice.node.store.set_petname("myself", did, replaces=False)
    twice = module_in(folder.parent / "twice", "org.example.twice", {f"myself/{ID}": "^1.0"})
    assert (await asyncio.to_thread(run, folder, twice)).refused == []
    for old, new in ((f"myself/{ID}", ID), (ID, f"{did}/{ID}")):
        edit(twice, f'"{old}"', f'"{new}"')
        assert (await asyncio.to_thread(run, twice)).published[0]["state"] == "known"
    edit(twice, f"{did}/", "nobody/")
    (refused,) = (await asyncio.to_thread(run, twice)).refused
    assert refused["code"] == "version-exists"


@pytest.mark.usefixtures("client")
async def test_words_are_of_the_version_that_was_published_last(folder: Path) -> None:
    await asyncio.to_thread(run, folder)
    newer = module_in(folder.parent / "newer")
    edit(newer, "1.0.0", "1.1.0")
    edit(newer, "adds two numbers", "adds two numbers well")
    report = await asyncio.to_thread(run, newer)
    assert report.refused == []
    both = await asyncio.to_thread(run, folder, newer)
    assert [one["state"] for one in both.published] == ["known", "known"]


@pytest.mark.usefixtures("client")
async def test_what_cannot_be_compared_stops_nothing_else(folder: Path, alice: Alice) -> None:
    """Another version of the same place is found under its own text alone."""
    other = module_in(folder.parent / "other", "org.example.other")
    edit(folder, "1.0.0", "1.0.0+a")
    await asyncio.to_thread(run, folder)
    edit(folder, "1.0.0+a", "1.0.0+b")
    report = await asyncio.to_thread(run, folder, other)
    assert [one["code"] for one in report.refused] == ["version-exists"]
    assert [one["name"] for one in report.published] == ["org.example.other"]


@pytest.mark.usefixtures("client")
async def test_a_folder_that_changes_before_its_turn_is_not_published(
    folder: Path, alice: Alice
) -> None:
    other = module_in(folder.parent / "other", "org.example.other")

    def change() -> None:
        (folder / "add.wasm").write_bytes(wasm(NOTHING))

    report = await asyncio.to_thread(run, folder, other, meanwhile=change)
    assert [(one["code"], one["file"]) for one in report.refused] == [
        ("files-changed", str(folder))
    ]
    assert [one["name"] for one in report.published] == ["org.example.other"]
    gone = await asyncio.to_thread(run, folder, meanwhile=(folder / "add.wasm").unlink)
    assert [one["code"] for one in gone.refused] == ["file-missing"]
    listed = (await alice.client.get("/api/modules")).json()["modules"]
    assert [one["id"] for one in listed] == ["org.example.other"]


@pytest.mark.usefixtures("client")
async def test_what_needs_itself_is_told_so_and_keeps_nothing_else_back(
    tmp_path: Path, alice: Alice, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "tree"
    for name, need in (("a", "b"), ("b", "a"), ("c", "a"), ("d", "e"), ("e", "")):
        needs = {f"org.example.{need}": "^1"} if need else {}
        module_in(tree / name, f"org.example.{name}", needs)
    for dry_run in (True, False):
        wanted = Wanted(None, "commons", dry_run=dry_run)
        with pytest.raises(Failure) as told:
            await asyncio.to_thread(in_shell, partial(publish_tree.publish_tree, tree, wanted))
        problem = told.value.problem
        assert [one["name"].rpartition(".")[2] for one in problem["published"]] == ["e", "d"]
        details = {Path(one["file"]).name: one["detail"] for one in problem["refused"]}
        assert [*details] == ["a", "b", "c"], "what needs them cannot go either"
        for name in "ab":
            assert "itself, by org.example.a → org.example.b → org.example.a. " in details[name]
            other = "b" if name == "a" else "a"
            assert f"No module org.example.{other} is known here" in details[name]
        assert "org.example.a" in details["c"]
    listed = (await alice.client.get("/api/modules")).json()["modules"]
    assert sorted(one["id"] for one in listed) == ["org.example.d", "org.example.e"]


@pytest.mark.usefixtures("client")
async def test_what_is_missing_is_told_of_a_module_on_a_circle_too(tmp_path: Path) -> None:
    """Older versions meet the needs on the circle: it is not why."""
    a, b = "org.example.a", "org.example.b"
    older = [module_in(tmp_path / "older" / id, id) for id in (a, b)]
    assert (await asyncio.to_thread(run, *older)).refused == []
    newer = module_in(tmp_path / "a", a, {b: "^1", "org.z": "^2"}), module_in(tmp_path / "b", b)
    edit(newer[1], "[dependencies]", f'[dependencies]\n"{a}" = "^1"')
    for folder in newer:
        edit(folder, '"1.0.0"', '"1.1.0"')
    for dry_run in (True, False):
        wanted = Wanted(None, "commons", dry_run=dry_run)
        report = await asyncio.to_thread(run, *newer, wanted=wanted)
        assert [one["name"] for one in report.published] == [b]
        (refused,) = report.refused
        assert "No module org.z is known here" in refused["detail"]
        assert "itself" not in refused["detail"]


def test_no_code_is_kept_while_others_are_read(folder: Path) -> None:
    (known,) = read_those([folder], Report())
    fields = (getattr(known, name) for name in type(known).__slots__)
    assert not any(isinstance(one, bytes) and len(one) > 32 for one in fields)
    assert known.size_bytes == len(wasm(ADD))


def in_shell(act: Callable[[], object]) -> None:
    """As a command runs it, with --json."""
    with click.Context(click.Command("publish"), obj={"json": True}):
        act()


@pytest.mark.usefixtures("client")
async def test_genomes_in_the_folder_of_a_module_are_left_alone_and_named(
    folder: Path, alice: Alice, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tests").mkdir()
    for name in ("glider.rle", "tests/glider.rle", ".hidden.rle"):
        (folder / name).write_bytes(GLIDER)
    (folder / "notes.txt").write_text("nothing that anybody knows")
    (folder / "link.rle").symlink_to(folder / "glider.rle")
    beside = folder.parent / "beside.rle"
    beside.write_bytes(GLIDER.replace(b"3o!", b"2o!"))
    inside = [str(folder / "glider.rle"), str(folder / "tests" / "glider.rle")]

    for kind, published in ((None, {"module", "genome"}), ("genome", {"genome"})):
        wanted = Wanted(kind, "commons", dry_run=False)
        all_of_it = partial(publish_tree.publish_tree, folder.parent, wanted)
        await asyncio.to_thread(in_shell, all_of_it)
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert {one["kind"] for one in told["published"]} == published
        assert told["in_modules"] == inside
        assert str(beside) not in told["in_modules"]
    assert (await alice.node.store.counts()).entries == 2
    # The module's own folder: named there too, and published where one asks for them.
    edit(folder, '"1.0.0"', '"1.0.1"')
    one = partial(publish.publish_module_of, folder, "commons", None, "", dry_run=False)
    await asyncio.to_thread(in_shell, one)
    assert json.loads(capsys.readouterr().out)["in_modules"] == inside
    file = partial(publish_tree.publish_tree, folder / "glider.rle", PLAIN)
    await asyncio.to_thread(in_shell, file)
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["in_modules"]) == ("published", [])


def test_one_command_looks_at_so_many_files_and_no_longer_than_so(tmp_path: Path) -> None:
    """Of all modules together: they are looked into before anything is sent."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        for number in range(LOOKED_AT_MAX * 2 // 3):
            (folder / f"{number:03}.rle").write_bytes(GLIDER)
    found = known_files(folders, now_s=lambda: 0.0)
    assert len(found) == LOOKED_AT_MAX
    assert {file.parent for file in found} == set(folders)
    # A clock that goes on by a tenth whenever somebody looks at it.
    ticks = count()
    assert 1 <= len(known_files(folders, now_s=lambda: next(ticks) / 10)) <= LOOKED_FOR_S * 10
    # Where there is no file to look at, its folders are not gone through for longer.
    seen = count()
    for number in range(100):
        (tmp_path / "c" / f"{number:02}").mkdir(parents=True)
    assert known_files([tmp_path / "c"], now_s=lambda: next(seen) / 10) == []
    assert next(seen) <= LOOKED_FOR_S * 10 + 2


@pytest.mark.usefixtures("client")
async def test_an_interrupt_while_modules_are_looked_into_loses_no_report(
    folder: Path, alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before anything is sent, and is told as any other."""
    (folder / "glider.rle").write_bytes(GLIDER)

    def interrupt(name: str, data: bytes) -> Format:
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "detect", interrupt)

    def one() -> None:
        with pytest.raises(KeyboardInterrupt):
            publish.publish_module_of(folder, "commons", None, "", dry_run=False)

    def tree() -> None:
        with pytest.raises(Failure) as told:
            publish_tree.publish_tree(folder.parent, PLAIN)
        problem = told.value.problem
        assert (problem["code"], told.value.exit) == ("interrupted", INTERRUPTED)
        assert problem["detail"].startswith("0 published, 0 there already, 0 refused; 1 of 1")
        assert (problem["published"], problem["in_modules"]) == ([], [])

    for act in (one, tree):
        await asyncio.to_thread(in_shell, act)
        assert (await alice.node.store.counts()).entries == 0


@pytest.mark.usefixtures("client")
async def test_a_directory_is_told_in_lines_and_the_last_is_the_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = folder.parent
    (tree / "glider.rle").write_bytes(GLIDER)
    (tree / "notes.txt").write_text("nothing that anybody knows")
    (tree / "two.json").write_text(json.dumps(LENIA_TWO))
    await asyncio.to_thread(in_shell, partial(publish_tree.publish_tree, tree, PLAIN))
    *lines, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert {(line["event"], line["stage"]) for line in lines} == {("progress", "publish")}
    names = [Path(line["id"]).name for line in lines]
    assert names == ["add", "glider.rle", "notes.txt", "two.json", "two.json"]
    assert [line["published"] for line in lines] == [1, 2, 2, 3, 4]
    assert [line["skipped"] for line in lines] == [0, 0, 1, 1, 1]
    done, total = [line["done"] for line in lines], lines[0]["total"]
    assert done == sorted(done)
    assert (done[-1], {line["total"] for line in lines}) == (total, {total})
    assert (result["event"], result["schema"]) == ("result", "panspermia.publish/1")
    assert (len(result["published"]), result["skipped"]) == (4, [str(tree / "notes.txt")])

    # What ends with a problem ends with it alone; one file is one object.
    (tree / "broken.rle").write_bytes(GLIDER.replace(b"3o!", b"3q!"))
    with pytest.raises(Failure):
        await asyncio.to_thread(in_shell, partial(publish_tree.publish_tree, tree, PLAIN))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"] for line in lines} == {"progress"}
    assert lines[-1]["refused"] == 1
    one = partial(publish_tree.publish_tree, tree / "glider.rle", PLAIN)
    await asyncio.to_thread(in_shell, one)
    assert "event" not in json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("client")
async def test_what_is_no_regular_file_is_passed_over_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = folder.parent
    (tree / "glider.rle").write_bytes(GLIDER)
    os.mkfifo(tree / "pipe.rle")
    (tree / "b").mkdir()
    (tree / "b" / "zero.rle").symlink_to("/dev/zero")
    (tree / "linked").symlink_to(folder, target_is_directory=True)
    (tree / ".hidden").symlink_to("/dev/zero")
    (folder / "of-the-module").symlink_to("/dev/zero")
    link = "a link, which is not followed"
    wanted = [
        {"file": str(tree / "b" / "zero.rle"), "reason": link},
        {"file": str(tree / "linked"), "reason": link},
        {"file": str(tree / "pipe.rle"), "reason": "a pipe"},
    ]
    publish_all = partial(publish_tree.publish_tree, tree, PLAIN)
    await asyncio.to_thread(in_shell, publish_all)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["passed_over"] == wanted
    assert (len(result["published"]), result["skipped"]) == (2, [])

    await asyncio.to_thread(publish_all)
    said = capsys.readouterr().err
    assert f"passed over: {tree / 'b' / 'zero.rle'} ({link}), " in said
    nothing = partial(publish_tree.publish_tree, tree / "b", PLAIN)
    with pytest.raises(Failure) as told:
        await asyncio.to_thread(nothing)
    assert told.value.problem["passed_over"] == wanted[:1]
    assert "zero.rle (a link" in capsys.readouterr().err
