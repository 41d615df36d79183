"""The same bytes go to the node once, however many states of an import have them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from blake3 import blake3
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.commands.progress import Progress
from node.commands.universe_foreseeing import Foreseeing
from node.commands.universe_underway import Underway
from node.commands.world_files import WorldFiles, world_files
from tests.node.api.test_devices import carry
from tests.node.commands.test_universe_alike import public
from tests.node.commands.test_universe_whole import EVENT, FORK, MAIN, Playing, done, saved
from tests.node.parts import Alice, open_alice
from tests.node.served import shown
from universe.formats import About, plan
from universe.formats.raw import TYPE

AT_US = 1_768_000_000_000_000
BINARY = blake3(b"a world").digest(length=200_000)
DECAY = {"decayAfterTicks": 5_000}


class Counting:
    """The app, and how many bytes of bodies came to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self.came = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                self.came += len(message.get("body", b""))
            return message

        await self._app(scope, counted, send)


def folder(place: Path, data: bytes, entries: list[dict[str, Any]]) -> Path:
    """A raw export of which all states lie in one file."""
    (place / "states").mkdir(parents=True)
    (place / "states/1.bin").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    listed = [
        {"file": "states/1.bin", "tick": tick, "at_us": AT_US + tick, "sha256": sha256, **more}
        for tick, more in enumerate(entries, 1)
    ]
    index = {"type": TYPE, "id": MAIN, "name": "Main", "snapshots": listed}
    (place / "universe.json").write_text(json.dumps(index))
    return place


def json_states() -> list[dict[str, Any]]:
    said = {"media": "application/json", "wrapped": True}
    event = {**EVENT, "tick": 3, "at_us": AT_US}
    return [
        {**said, "kind": "manual", "day": 0},
        {**said, "kind": "auto", "decay": DECAY},
        {**said, "kind": "canonical", "event": event},
        {**said, "kind": "auto:manual"},
        {"media": "application/json"},
        {"media": "application/json", "kind": "manual"},
    ]


async def state_at(alice: Alice, tick: int, **query: str) -> bytes:
    answer = await alice.client.get(f"/api/universe/{MAIN}/snapshot/{tick}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_a_file_that_many_entries_name_is_sent_once(alice: Alice, tmp_path: Path) -> None:
    out = folder(tmp_path / "out", BINARY, [{"day": tick} for tick in range(20)])
    counting = Counting(alice.app)
    async with shown(replace(alice, app=counting)) as home:
        report = await done(home, "import", str(out))
        assert (report["universes"][0]["new"], report["refused"]) == (20, [])
        assert len(BINARY) < counting.came < 2 * len(BINARY)
        again = await done(home, "import", str(out))
        assert (again["universes"][0]["new"], again["universes"][0]["known"]) == (0, 20)
    assert [await state_at(alice, tick) for tick in (1, 2, 20)] == [BINARY] * 3
    listed = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    assert [(one["tick"], one["day"]) for one in listed] == [(at + 1, at) for at in range(20)]
    assert len({one["blob"] for one in listed}) == 1


async def test_each_is_what_it_would_be_alone(alice: Alice, tmp_path: Path) -> None:
    """Also where the bytes go inside of JSON for some of them, and for others not."""
    data = saved(1, "Ada")
    together = folder(tmp_path / "out", data, json_states())
    counting = Counting(alice.app)
    async with shown(replace(alice, app=counting)) as home:
        report = await done(home, "import", str(together))
        assert (report["universes"][0]["new"], report["refused"]) == (6, [])
        assert 2 * len(data) < counting.came < 3 * len(data)
        there = await Playing(alice).whole(MAIN)
        bodies = [await state_at(alice, tick) for tick in range(1, 7)]
        assert [data in body for body in bodies] == [True] * 6
        assert [body == data for body in bodies] == [False] * 4 + [True] * 2
        assert (await alice.client.delete(f"/api/universe/{MAIN}")).status_code == 200
        for tick, one in enumerate(json_states(), 1):
            alone = folder(tmp_path / f"{tick}", data, [*[{}] * (tick - 1), one])
            index = json.loads((alone / "universe.json").read_text())
            index["snapshots"] = index["snapshots"][-1:]
            (alone / "universe.json").write_text(json.dumps(index))
            await done(home, "import", str(alone), "--id", "universe:alone")
    apart = await Playing(alice).whole("universe:alone")
    assert apart["snapshots"] == there["snapshots"]
    assert len(apart["told"]) == len(there["told"])


async def test_each_keeps_its_own_media_type(alice: Alice, tmp_path: Path) -> None:
    """Also where the first of them is there already, as something else."""
    hers, said = Playing(alice), {"media": "text/x-world", "kind": "manual"}
    await hers.make(MAIN)
    await hers.keep(MAIN, 1, BINARY, "application/octet-stream", type="manual")
    counting = Counting(alice.app)
    async with shown(replace(alice, app=counting)) as home:
        report = await done(home, "import", str(folder(tmp_path / "out", BINARY, [said] * 3)))
    assert (report["universes"][0]["new"], report["universes"][0]["known"]) == (2, 1)
    assert counting.came < 2 * len(BINARY), "and they go once all the same"
    listed = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    assert [(one["tick"], one["media"]) for one in listed] == [
        (1, "application/octet-stream"), (2, "text/x-world"), (3, "text/x-world"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("text/x-world", "text/x-world"),
        (None, "image/png"),
        ("application/x-www-form-urlencoded", "image/png"),  # as curl says of nothing
    ],
)
async def test_bytes_of_another_have_the_media_type_that_is_said(
    alice: Alice, said: str | None, kept: str
) -> None:
    hers = Playing(alice)
    await hers.make(MAIN)
    first = await hers.keep(MAIN, 1, BINARY, "image/png")
    entry = await entry_like(alice, first, said)
    assert (entry["media"], entry.get("wrapped", False)) == (kept, False)


async def test_what_goes_back_inside_of_json_is_json(alice: Alice) -> None:
    hers = Playing(alice)
    await hers.make(MAIN)
    await hers.keep_in_json(MAIN, 1, saved(1, "Ada"), DECAY)
    (first,) = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    entry = await entry_like(alice, first["id"], "text/x-world")
    assert (entry["media"], entry["wrapped"]) == ("application/json", True)


async def entry_like(alice: Alice, first: str, media: str | None) -> dict[str, Any]:
    """Of a state at tick 2 with the bytes of `first`."""
    query = {"tick": "2", "type": "auto", "bytes_of": first}
    headers = {} if media is None else {"content-type": media}
    path = f"/api/universe/{MAIN}/snapshot"
    answer = await alice.client.post(path, params=query, headers=headers)
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()["entry"]
    return entry


@pytest.mark.parametrize(("data", "left"), [(b'{"whole": 1}', 0), (b'{"cut": "off', 5)])
def test_a_plan_looks_through_the_same_bytes_once(tmp_path: Path, data: bytes, left: int) -> None:
    """To tell whether they are JSON, which they have to be to obey ticks of their own."""
    said = {"media": "application/json", "wrapped": True, "decay": DECAY}
    out = folder(tmp_path / "out", data, [said] * 5)
    files = Counted(out, world_files(out).listing, is_folder=True)
    found = plan(files)
    (one,) = found.universes
    before, told = files.read, {"new": 0, "known": 0}
    with Progress() as bars:
        work = Foreseeing(Underway(files, found, "private", is_dry=True))
        work.begin(one, told)
        work.take(one, one.snapshots, told, bars, lambda _: None)
    assert (told["new"], found.report.counts[About.LEFT]) == (5, left)
    assert files.read - before == 1


class Counted(WorldFiles):
    """Counts how often a file is read from its beginning."""

    read = 0

    def chunks(self, path: str) -> Iterator[bytes]:
        self.read += 1
        return super().chunks(path)


async def test_what_is_no_json_loses_its_ticks_each_time(alice: Alice, tmp_path: Path) -> None:
    said = {"media": "application/json", "wrapped": True, "decay": DECAY}
    out = folder(tmp_path / "out", b'{"cut": "off', [said] * 3)
    async with shown(alice) as home:
        report = await done(home, "import", str(out))
    assert (report["universes"][0]["new"], report["counts"].get("left")) == (3, 3)
    listed = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    assert [one.get("decayPolicy") for one in listed] == [None] * 3


async def test_bytes_that_are_elsewhere_or_others_are_refused(alice: Alice) -> None:
    hers = Playing(alice)
    await hers.make(MAIN)
    first = await hers.keep(MAIN, 1, BINARY, "application/octet-stream")
    await hers.make("universe:other")
    place = "/api/universe/{}/snapshot"
    wrong = blake3(b"other").hexdigest()
    for id, query, status, code in (
        ("universe:other", {"bytes_of": first}, 404, "unknown-snapshot"),
        (MAIN, {"bytes_of": "ab" * 32}, 404, "unknown-snapshot"),
        (MAIN, {"bytes_of": "x"}, 400, "bad-snapshot-id"),
        (MAIN, {"bytes_of": first, "checksum": wrong}, 422, "checksum-mismatch"),
    ):
        answer = await alice.client.post(place.format(id), params={"tick": 2, **query})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    answer = await alice.client.post(place.format(MAIN), params={"bytes_of": first})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-tick")


async def test_bytes_that_did_not_come_yet_are_to_be_sent(alice: Alice, tmp_path: Path) -> None:
    """A fork is there before the bytes of what it began with are."""
    async with open_alice(tmp_path / "bob") as bob:
        name = await public(bob, 1)
        await carry(bob, alice)
    body = {"id": FORK, "name": "Fork"}
    answer = await alice.client.post(f"/api/universe/{quote(name, safe='')}/fork", json=body)
    assert answer.status_code == 201, answer.text
    path = f"/api/universe/{FORK}"
    (begun,) = (await alice.client.get(f"{path}/snapshots")).json()["snapshots"]
    query = {"tick": "2", "bytes_of": begun["id"]}
    answer = await alice.client.post(f"{path}/snapshot", params=query)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-held"), answer.text


@pytest.mark.parametrize("more", [{}, {"type": "canonical"}])
async def test_an_upload_without_bytes_is_told_once(alice: Alice, more: dict[str, str]) -> None:
    """With its key again it has the same answer."""
    hers = Playing(alice)
    await hers.make(MAIN)
    first = await hers.keep(MAIN, 1, BINARY, "application/octet-stream")
    query, key = {"tick": "2", "bytes_of": first, **more}, {"idempotency-key": "main/2"}
    path = f"/api/universe/{MAIN}/snapshot"
    answers = [await alice.client.post(path, params=query, headers=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201], answers[1].text
    assert answers[0].json() == answers[1].json()
    assert await state_at(alice, 2) == BINARY


async def test_the_bytes_stay_where_the_first_goes(alice: Alice) -> None:
    hers, path = Playing(alice), f"/api/universe/{MAIN}"
    await hers.make(MAIN)
    first = await hers.keep(MAIN, 1, BINARY, "application/octet-stream")
    query: dict[str, str | int] = {"tick": 2, "bytes_of": first, "type": "manual"}
    assert (await alice.client.post(f"{path}/snapshot", params=query)).status_code == 201
    await hers.keep(MAIN, 3, b"another", "application/octet-stream")
    rule = {"auto": {"newest": 1}, "manual": {"newest": 9}}
    pruned = await alice.client.post(f"{path}/prune", json={"retention": rule})
    assert pruned.status_code == 200, pruned.text
    await alice.node.store.gc(grace_us=-1)
    assert (await alice.client.get(f"{path}/snapshot/1")).status_code == 404
    assert await state_at(alice, 2) == BINARY
    answer = await alice.client.post(f"{path}/snapshot", params={**query, "tick": 4})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-snapshot")


@pytest.mark.parametrize("data", [BINARY, saved(1, "Ada")], ids=["binary", "json"])
async def test_what_a_node_has_to_get_is_sent_each_time(
    alice: Alice, tmp_path: Path, data: bytes
) -> None:
    out = folder(tmp_path / "out", data, json_states())
    async with shown(replace(alice, app=refusing(alice.app))) as home:
        report = await done(home, "import", str(out))
    assert (report["universes"][0]["new"], report["refused"]) == (6, [])
    assert [data in await state_at(alice, tick) for tick in range(1, 7)] == [True] * 6


def refusing(app: ASGIApp) -> ASGIApp:
    """The app of a node that knows no `bytes_of`."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if b"bytes_of=" in scope.get("query_string", b""):
            problem = {"title": "Bad query", "status": 400, "code": "bad-query"}
            headers = {"content-type": "application/problem+json"}
            await JSONResponse(problem, 400, headers)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return call
