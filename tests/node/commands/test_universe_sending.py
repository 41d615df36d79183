"""A state of a world goes out as the node takes it, and one that cannot go ends nothing else."""

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from node.api.problems import ProblemError
from node.api.wrapped import Wrapped
from node.commands import universe_sending as sending
from node.commands.universe_sending import Heard, as_it_goes, is_whole_json, send
from node.commands.world_files import WorldFiles, world_files
from node.errors import Rejected
from node.failure import Failure
from tests.node.commands.test_universe_decay import MAIN, listed, world
from tests.node.commands.test_universe_whole import done, numbers
from tests.node.commands.test_world_files import laid
from tests.node.parts import Alice
from tests.node.served import served, shown
from tests.universe.formats.memory import as_json
from tests.universe.formats.villages import entry, village
from universe.formats import ImportedSnapshot, plan
from universe.formats.json_pieces import STEP_BYTES
from universe.formats.json_value import ATOM_BYTES_MAX, DEPTH_MAX

LONG = b'{"tick":"5","noise":"' + Random(5).randbytes(2 << 20).hex().encode() + b'"'
MOST = b"1" * ATOM_BYTES_MAX
LIKE_JSON = {
    "an object": b'{"a":[1,{"b":null}]}',
    "a number": b"12",
    "-0": b"-0",
    "true": b"true",
    "a text": b'"\xc3\xa9"',
    "null": b"null",
    "null in a list": b"[null]",
    "nulls": b"nullnull",
    "nothing": b"",
    "blank before": b' {"a":1}',
    "blank behind": b'{"a":1}\n',
    "tab before": b"\t12",
    "a mark": b'\xef\xbb\xbf{"a":1}',
    "no UTF-8": b'{"name":"\xff"}',
    "no UTF-8 in a key": b'{"\xff":1}',
    "UTF-8 cut off": b'["\xe2\x82"]',
    "half a character in UTF-8": b'["\xed\xa0\xbd"]',
    "more bytes than needed": b'["\xc0\xaf"]',
    "half a character": b'["\\ud83c"]',
    "an escape that is none": b'["\\x"]',
    "a control character": b'["\x01"]',
    "delete": b'["\x7f"]',
    "zero byte behind": b'["a"]\x00',
    "not a number": b"[NaN]",
    "infinite": b"[Infinity]",
    "a zero before": b"[01]",
    "a dot behind": b"[1.]",
    "a comma too many": b"[1,]",
    "two values": b"1 2",
    "two members": b'1, "tick": 7',
    "what ends the body": b'1}, "tick": 5, "x":{"a":1',
    "a key twice": b'{"a":1,"a":2}',
    "large exponent": b"[1e999]",
    "many digits": b"[" + MOST + b"]",
    "too many digits": b"[" + MOST + b"1]",
    "too many digits, and more": b"[" + MOST + b"1,1]",
    "too many behind a dot": b'{"a":[1.' + MOST + b',[2]],"b":1}',
    "too many for an exponent": b"[1e" + MOST + b",2]",
    "digits of a text": b'["' + MOST + MOST + b'",1]',
    "letters of a text": b'{"genome":"' + b"af" * 2_000 + b'"}',
    "deep": b"[" * (DEPTH_MAX - 1) + b"]" * (DEPTH_MAX - 1),
    "as deep as can be": b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    "too deep": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    "far too deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


def is_kept(state: bytes) -> bool:
    """Whether a node takes just these bytes out of JSON around them."""
    wrapped = Wrapped()
    try:
        out = b"".join(wrapped.push(b'{"tick": 1, "snapshot": ' + state + b"}"))
        wrapped.finish()
    except (ProblemError, Rejected):
        return False
    return out == state


@pytest.mark.parametrize("name", LIKE_JSON)
def test_just_what_the_node_takes_goes_inside_of_json(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = LIKE_JSON[name]
    for held_bytes_max in (sending.HELD_BYTES_MAX, -1):
        monkeypatch.setattr(sending, "HELD_BYTES_MAX", held_bytes_max)
        for size in (1, 1_000, len(state) + 1):
            if size > 1 or len(state) < 10_000:
                cut = [state[at : at + size] for at in range(0, len(state), size)]
                for pieces in (cut, [b"", *cut, b""]):
                    assert is_whole_json(iter(pieces), len(state)) == is_kept(state), size


@pytest.mark.parametrize("at", [*range(STEP_BYTES - 1_100, STEP_BYTES + 3, 61)])
def test_a_long_number_is_seen_wherever_it_lies(at: int) -> None:
    for number, expected in ((MOST, True), (MOST + b"1", False)):
        state = b'["' + b"x" * at + b'",' + number + b",1]"
        assert is_whole_json(iter([state]), len(state)) is expected
        assert is_kept(state) is expected


@pytest.mark.parametrize(
    "state", [b'{"tick":"5","name":"\xff"}', b'{"tick":"5","name":"\xe2', b"null"]
)
async def test_what_is_nearly_json_is_imported_as_it_is(
    alice: Alice, tmp_path: Path, state: bytes
) -> None:
    async with shown(alice) as home:
        (told,) = (await done(home, "import", world(tmp_path, state, {})))["universes"]
        assert told["new"] == 1
        kept = await listed(alice)
    assert [(one["fileSize"], one.get("wrapped", False)) for one in kept] == [(len(state), False)]


@pytest.mark.parametrize("is_wrapped", [True, False])
@pytest.mark.parametrize("change", ["shorter", "longer", "gone"])
async def test_a_state_that_changes_meanwhile_is_refused_alone(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, is_wrapped: bool
) -> None:
    """A game goes on to save while its world is imported."""
    states = {f"{tick}.json": as_json({"tick": tick, "in": "x" * 900_000}) for tick in range(6)}
    if not is_wrapped:
        states["2.json"] += b"\n"
    entries = [entry(tick, tick, filename=f"{tick}.json") for tick in range(6)]
    top = laid(tmp_path / "data", village(MAIN, entries, states))
    place = top / f"universes/{MAIN}/snapshots/2.json"
    became = {"shorter": states["2.json"][:-50], "longer": states["2.json"] + b"\n  more"}

    def changed(
        files: WorldFiles, snapshot: ImportedSnapshot, heard: Heard | None = None
    ) -> tuple[ImportedSnapshot, int | None]:
        found = as_it_goes(files, snapshot, heard)
        if snapshot.tick == 2:
            place.unlink()
            if change in became:
                place.write_bytes(gzip.compress(became[change]))
        return found

    monkeypatch.setattr(sending, "as_it_goes", changed)
    async with shown(alice) as home:
        exit = 0 if change == "longer" else 1
        told = await done(home, "import", str(top), "--visibility=public", exit=exit)
        kept = {one["tick"] for one in await listed(alice)}
    if change == "longer":  # it is what it was
        assert kept == {*range(6)}
        return
    assert kept == {0, 1, 3, 4, 5}
    (refused,) = told["refused"]
    assert refused["what"] == f"universes/{MAIN}/snapshots/2.json"
    assert {"shorter": "shorter", "gone": "cannot be read"}[change] in refused["detail"]


async def test_a_long_state_is_looked_through_by_the_node_alone(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(pieces: Iterator[bytes], size: int) -> bool:
        raise AssertionError(f"{size:,} bytes are looked through twice")

    monkeypatch.setattr(sending, "HELD_BYTES_MAX", 1_000)
    monkeypatch.setattr(sending, "is_whole_json", never)
    async with shown(alice) as home:
        (told,) = (await done(home, "import", world(tmp_path, LONG + b"}", {})))["universes"]
        assert told["new"] == 1
        (kept,) = await listed(alice)
    assert (kept["fileSize"], kept["wrapped"]) == (len(LONG) + 1, True)


@pytest.mark.parametrize(
    "state",
    [LONG + b"]", LONG + b"}\n", b"\n" + LONG + b"}", LONG + b'}, "tick": 7', LONG + b',"\xff":0}'],
    ids=["wrong end", "blank behind", "blank before", "two members", "no text"],
)
async def test_a_long_state_that_the_node_takes_for_no_json_comes_as_it_is(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: bytes
) -> None:
    monkeypatch.setattr(sending, "HELD_BYTES_MAX", 1_000)
    path = world(tmp_path, state, {"decayAfterTicks": 3})
    async with shown(alice) as home:
        planned = await done(home, "import", path, "--dry-run")
        imported = await done(home, "import", path)
        (kept,) = await listed(alice)
    assert numbers(planned) == numbers(imported)
    assert imported["counts"]["left"] == 1
    assert not imported["refused"]
    assert (kept["fileSize"], kept.get("wrapped", False)) == (len(state), False)


async def test_another_refusal_of_a_long_state_is_told_as_it_is(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "HELD_BYTES_MAX", 1_000)
    path = Path(world(tmp_path, LONG + b"}", {}))
    files = world_files(path)
    (one,) = plan(files).universes[0].snapshots
    wrong = replace(one, content=replace(one.content, checksum=bytes(32)))
    async with served(alice) as client:
        assert (await alice.client.post("/api/universe", json={"id": MAIN, "name": "M"})).is_success
        with pytest.raises(Failure) as told:
            await asyncio.to_thread(send, client, files, MAIN, wrong, lambda _, __: None)
    assert told.value.problem["code"] == "checksum-mismatch"
    assert not await listed(alice)


def test_how_far_a_long_state_is_looked_through_is_told(tmp_path: Path) -> None:
    state = LONG + b"}"
    files = world_files(Path(world(tmp_path, state, {"decayAfterTicks": 3})))
    (one,) = plan(files).universes[0].snapshots
    heard: list[tuple[int, int]] = []
    assert as_it_goes(files, one, lambda done, total: heard.append((done, total))) == (one, None)
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert heard[-1] == (len(state), len(state))
