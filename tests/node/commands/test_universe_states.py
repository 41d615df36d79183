"""Universes on the line: a snapshot by its first digits, and what an import leaves out."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import click
import pytest
import pytest_asyncio

from node.commands import (
    universe_beside,
    universe_history,
    universe_import,
    universe_importing,
    universe_making,
    universe_states,
)
from node.commands.universe_states import state_meant
from node.failure import Failure, Json
from tests.node.parts import Alice
from tests.node.served import served
from tests.universe.formats.villages import entry, state, village

PLACE = "/api/universe/universe:main"


@pytest_asyncio.fixture
async def client(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    modules = (
        universe_beside,
        universe_history,
        universe_importing,
        universe_making,
        universe_states,
    )
    async with served(alice) as client:
        for module in modules:
            monkeypatch.setattr(module, "node", lambda: client)
        yield


async def make(alice: Alice, id: str = "universe:main") -> None:
    body = {"id": id, "name": "Main", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201


@pytest.mark.usefixtures("client")
async def test_some_digits_name_a_snapshot(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(alice)
    ids = list[str]()
    for tick in range(5):
        sent = await alice.client.post(f"{PLACE}/snapshot?tick={tick}", content=b"%d" % tick)
        ids.append(sent.json()["id"])
    monkeypatch.setattr(universe_states, "LISTED", 2)  # what is meant is on a later page

    def meant(text: str | None) -> Any:  # noqa: ANN401 - what it gives, as it is
        return asyncio.to_thread(state_meant, PLACE, None, text)

    assert await meant(None) is None
    for id in ids:
        assert [await meant(text) for text in (id, id[:16], id[:8].upper())] == [id] * 3
    for wrong in ("", "abc", ids[0][:7], "x" * 16, f"{ids[0]}0"):
        with pytest.raises(click.UsageError, match="no id of a snapshot: 64 hex digits"):
            await meant(wrong)
    with pytest.raises(Failure) as none:
        await meant("0" * 8 if not any(id.startswith("0" * 8) for id in ids) else "1" * 8)
    assert (none.value.exit, none.value.problem["code"]) == (5, "unknown-snapshot")
    monkeypatch.setattr(universe_states, "DIGITS_MIN", 0)
    with pytest.raises(Failure) as several:
        await meant("")
    assert (several.value.exit, several.value.problem["candidates"]) == (6, sorted(ids))
    assert f"{ids[3]}  tick 3" in several.value.problem["detail"]


def test_an_event_without_a_type_is_a_slip_of_the_line() -> None:
    with pytest.raises(click.UsageError, match="TYPE is empty"):
        universe_history.event.main(["universe:main", "", "--tick", "1"], standalone_mode=False)


@pytest.mark.usefixtures("client")
async def test_what_cannot_be_imported_is_left_and_a_plan_foresees_it(
    alice: Alice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files: dict[str, bytes] = {}
    for id in ("universe:main", "universe:other"):
        files |= village(id, [entry(1, 1)], {"1.json.gz": state(1)})
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    await make(alice)  # for everybody, and what is imported is for nobody else

    def imported(*more: str, is_json: bool = True) -> tuple[Json, str]:
        with pytest.raises(Failure) as failed:
            universe_import.import_command.main(
                [str(tmp_path), *more], standalone_mode=False, obj={"json": is_json}
            )
        return failed.value.problem, capsys.readouterr().out

    for more, other in ((["--dry-run"], "planned"), ([], "created")):
        report, _ = await asyncio.to_thread(imported, *more)
        assert report["code"] == "partly-imported"
        states = {one["id"]: one["state"] for one in report["universes"]}
        assert states == {"universe:main": "left", "universe:other": other}, json.dumps(report)
        (refused,) = report["refused"]
        assert refused["code"] == "universe-elsewhere"
        assert refused["detail"].endswith("its folder alone, --id NEW")
    _, printed = await asyncio.to_thread(imported, is_json=False)
    assert "left: universe:main is there already for other readers" in printed
    assert "planned" not in printed


@pytest.mark.parametrize("tick", ["-1", str(1 << 63), "x"])
def test_what_is_no_tick_is_a_slip_of_the_line(tick: str) -> None:
    with pytest.raises(click.BadParameter) as wrong:
        universe_history.event.main(["universe:main", "x", "--tick", tick], standalone_mode=False)
    assert wrong.value.param is not None
    assert wrong.value.param.opts == ["--tick"]


@pytest.mark.parametrize("rule", ["{bad", "[]"])
@pytest.mark.usefixtures("client")
async def test_a_rule_that_is_no_json_is_called_a_rule(rule: str) -> None:
    line = ["universe:main", "--rule", rule]
    with pytest.raises(Failure) as failed:
        universe_history.prune.main(line, standalone_mode=False)
    assert (failed.value.exit, failed.value.problem["code"]) == (2, "not-json")
    assert failed.value.problem["detail"].startswith("the rule: ")
