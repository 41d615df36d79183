"""`universe event`: who types the same line twice tells it once."""

import json
from typing import Any

from click.testing import Result

from tests.node.api.test_snapshots import main as main
from tests.node.api.test_timelines import timeline, told
from tests.node.parts import Alice
from tests.node.served import shown, typed

EVENT = ("universe", "event", "universe:main", "birth", "Cain", "--tick", "1901")


def json_of(ran: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.output)
    return found


async def events(alice: Alice) -> list[str]:
    return [one["title"] for one in (await timeline(alice))["entries"] if "event" in one]


async def test_the_same_line_typed_twice_is_one_event_unless_that_is_said(
    alice: Alice, main: None
) -> None:
    async with shown(alice) as home:
        first = json_of(await typed(home, "--json", *EVENT, "--entity", "cain"))
        assert (first["known"], first["entry"]["title"]) == (False, "Cain")
        again = await typed(home, *EVENT, "--entity", "cain")
        assert again.exit_code == 0, again.output
        assert "tick 1,901: Cain was told before: nothing new was told" in again.output
        assert "--again" in again.output
        known = json_of(await typed(home, "--json", *EVENT, "--entity", "cain"))
        assert known == first | {"known": True}
        assert await events(alice) == ["Cain"]
        more = await typed(home, *EVENT, "--entity", "cain", "--again")
        assert (more.exit_code, "before" in more.output) == (0, False)
        assert await events(alice) == ["Cain"] * 2


async def test_what_has_another_tick_type_title_or_name_is_another_event(
    alice: Alice, main: None
) -> None:
    line = ("universe", "event", "universe:main")
    each = [
        ("birth", "--tick", "5"),
        ("birth", "--tick", "6"),
        ("death", "--tick", "5"),
        ("birth", "Cain", "--tick", "5"),
        ("birth", "--tick", "5", "--entity", "abel"),
        ("birth", "--tick", "5", "--soul", "abel"),
        ("birth", "--tick", "5", "--parent", "abel"),
    ]
    async with shown(alice) as home:
        for number, words in enumerate(each):
            for is_known in (False, True):
                ran = json_of(await typed(home, "--json", *line, *words))
                assert ran["known"] == is_known, words
            assert len(await events(alice)) == number + 1


async def test_what_is_said_otherwise_of_the_same_is_not_passed_over_in_silence(
    alice: Alice, main: None
) -> None:
    await told(alice, tick=1901, type="birth", title="Cain", description="at dusk", day=0)
    sent = await alice.client.post("/api/universe/universe:main/snapshot?tick=9", content=b"9")
    for said, what in (
        (("--description", "at dawn"), "description"),
        (("--day", "3", "--importance", "9"), "importance and day"),
        (("--snapshot", sent.json()["id"]), "snapshot"),
    ):
        async with shown(alice) as home:
            ran = await typed(home, *EVENT, *said)
            assert ran.exit_code != 0, ran.output
            assert f"told with another {what}, which stays" in ran.output
            assert await events(alice) == ["Cain"]
            for same in ((), ("--description", "at dusk"), ("--day", "0")):
                assert "told before" in (await typed(home, *EVENT, *same)).output
    async with shown(alice) as home:
        assert (await typed(home, *EVENT, "--description", "at dawn", "--again")).exit_code == 0
        assert (await typed(home, *EVENT, "--description", "at dawn")).exit_code == 0
    assert await events(alice) == ["Cain"] * 2
