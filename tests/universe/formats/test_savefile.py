"""SaveFiles: several universes in one text, each by its own bytes, and checksums that count."""

import json
from typing import Any

import pytest
from blake3 import blake3

from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.saves import SAVED_MS, save, sum_of, universe_part
from universe.formats import About, ForkOf, Plan, is_savefile, plan_savefiles
from universe.formats.canonical import sha256_of, value_of

MAIN = universe_part("universe:main", 9_001)
FORK_POINT = {"parentUniverseId": "universe:main", "parentUniverseTick": "6488"}
FORK = universe_part(
    "universe:fork", 1 << 62, time={"universeTick": str(1 << 62), "forkPoint": FORK_POINT}
)


def planned(**files: bytes) -> tuple[Plan, MemoryFiles]:
    lying = MemoryFiles({name.replace("_", "."): data for name, data in files.items()})
    return plan_savefiles(lying, sorted(lying.files)), lying


def told(plan: Plan, about: About) -> list[str]:
    return [str(one) for one in plan.report.problems if one.about is about]


def test_one_universe_is_all_of_its_file() -> None:
    data = as_json(save(MAIN))
    assert is_savefile(data[:4_096])
    plan, _ = planned(save_json=data)
    (main,) = plan.universes
    (state,) = main.snapshots
    assert (main.id, main.name, state.tick, state.day) == ("universe:main", "Main", 9_001, 2)
    assert state.content.checksum == blake3(data).digest()
    assert (state.at_us, state.is_wrapped) == (SAVED_MS * 1_000, True)
    assert not plan.report.counts  # each of its six checksums is right


def test_each_of_several_universes_is_its_own_part_byte_by_byte() -> None:
    """A space, an escape, the last digit of a number: what is in the file is what is kept."""
    data = as_json(save(MAIN, FORK)).replace(b'"x": 0.5', b'"x":  5e-1')
    plan, files = planned(save_json=packed(data))
    main, fork = plan.universes
    for one, wanted in ((main, MAIN), (fork, FORK)):
        (state,) = one.snapshots
        part = files.taken(state.source)
        assert part in data
        assert json.loads(part) == wanted
        assert state.content.checksum == blake3(part).digest()
        assert not state.is_wrapped
    assert b'"x":  5e-1' in files.taken(main.snapshots[0].source)
    assert fork.fork_of == ForkOf("universe:main", 6_488)
    assert fork.snapshots[0].tick == 1 << 62
    assert [line.split(": ")[1] for line in told(plan, About.LEFT)] == ["/multiverse", "/player"]
    # The hash of the program is of the text, not of the number: 5e-1 is another one.
    assert len(told(plan, About.CHECKSUM)) == 7


@pytest.mark.parametrize(
    "place",
    [
        ("checksums", "overall"),
        ("checksums", "multiverse"),
        ("checksums", "universes", "universe:main"),
        ("universes", 0, "checksums", "entities"),
        ("universes", 0, "checksums", "components"),
        ("universes", 0, "checksums", "worldState"),
    ],
)
def test_a_sha256_of_something_else_is_told_with_its_place(place: tuple[str | int, ...]) -> None:
    whole: Any = json.loads(as_json(save(MAIN)))
    inner = whole
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = sum_of("something else")
    if place[0] == "universes":  # then the sums above it are of something else too
        whole["checksums"] = save(whole["universes"][0])["checksums"]
    plan, _ = planned(save_json=as_json(whole))
    assert len(plan.universes) == 1
    pointer = "/".join(map(str, ("", *place)))
    assert [line.split(": ")[1] for line in told(plan, About.CHECKSUM)] == [pointer]


def test_a_hash_of_32_bits_is_counted_and_not_believed() -> None:
    weak = universe_part("universe:main", 1, checksums={"entities": "4f451bdb"})
    plan, _ = planned(save_json=as_json({**save(weak), "checksums": {"overall": "-1"}}))
    assert told(plan, About.CHECKSUM) == [
        "save.json: /checksums: 2 checksums are no SHA-256: nothing can be checked by them"
    ]


def test_keys_are_sorted_as_the_program_sorts_them() -> None:
    """By UTF-16, and what looks like an index first."""
    told = {"b": 1, "10": 2, "9": 3, "\uffee": 4, "\U0001f600": 5, "01": 6}
    assert [*json.loads(_canonical(told))] == ["9", "10", "01", "b", "\U0001f600", "\uffee"]
    assert _canonical({"a": [1.50, -0.0, 1e21]}, b"1.50", b"1.5") == '{"a":[1.50,-0.0,1e+21]}'


def _canonical(value: object, *replaced: bytes) -> str:
    from universe.formats.canonical import _pieces  # pyright: ignore[reportPrivateUsage] - its text

    text = json.dumps(value).encode()
    if replaced:
        text = text.replace(replaced[1], replaced[0])
    return "".join(_pieces(value_of(text, "file")))


def test_states_of_one_universe_in_several_files_are_one_universe() -> None:
    later = {**save(universe_part("universe:main", 9_500)), "header": {"lastSavedAt": SAVED_MS + 9}}
    one = as_json(save(MAIN))
    plan, _ = planned(a_json=as_json(later), b_json=one, c_json=one)
    (main,) = plan.universes
    assert [state.tick for state in main.snapshots] == [9_001, 9_500]
    assert len(told(plan, About.DUPLICATE)) == 1


def test_what_is_wrong_with_one_universe_leaves_the_others() -> None:
    bad = [
        universe_part("universe:a", 1, time={"universeTick": "-1"}),
        universe_part("universe:b", 1, identity={"id": "a/b"}),
        universe_part("universe:c", 1, identity=None),
        universe_part("universe:d", 1, time={"universeTick": "9" * 40}),
    ]
    whole = {"universes": [*bad, MAIN], "passages": [{"id": 7}, 8]}
    plan, _ = planned(save_json=as_json(whole))
    assert [one.id for one in plan.universes] == ["universe:main"]
    places = [line.split(": ")[1] for line in told(plan, About.UNREADABLE)]
    assert places == [
        "/universes/0/time/universeTick",
        "/universes/1/identity/id",
        "/universes/2/identity",
        "/universes/3/time/universeTick",
        "/passages/0/id",
        "/passages/1",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "byte 0: must be an object"),
        (b"[]", "byte 0: must be an object"),
        (b"{}", "holds no universe"),
        (as_json(save(MAIN))[:-2], "is missing"),
        (as_json(save(MAIN))[:1_000], "a text without an end"),
        (as_json(save(MAIN)).decode().encode("utf-16"), "is UTF-16"),
        (b'{"universes": [{"entities": "\xff"}]}', "byte 29: is not UTF-8 from here on"),
        (b'{"universes": [' + b"[" * 300 + b"]" * 300 + b"]}", "must be an object"),
        (b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "nested more than 256 deep"),
        (b'{"universes": [], "universes": []}', "occurs twice"),
        (b'{"universes": [{}]} {}', "goes on behind its end"),
        (b'{"header": {"name": ' + b'"n"' * 400_000 + b"}}", "is missing"),
        (b'{"checksums": "' + b"n" * (1 << 20) + b'"}', "of this part are read"),
        (b'{"universes": [{}, {} {}]}', "a , or ] is missing"),
        (packed(as_json(save(MAIN)))[:-20], "the end of the gzip is missing"),
    ],
    ids=range(15),
)
def test_what_is_no_savefile_is_refused_with_its_place(data: bytes, reason: str) -> None:
    plan, _ = planned(save_json=data)
    assert not plan.universes
    (line,) = told(plan, About.UNREADABLE)
    assert line.startswith("save.json: ")
    assert reason in line


def test_the_sum_of_a_large_part_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("universe.formats.canonical.CHECKED_BYTES_MAX", 100)
    plan, _ = planned(save_json=as_json(save(MAIN)))
    assert "cannot be checked: " in told(plan, About.CHECKSUM)[0]
    assert sha256_of([1]) == sum_of([1])


def test_half_of_a_character_in_its_head_or_a_key_refuses_nothing() -> None:
    part = universe_part("universe:a", 9, config={"sky CUT": "CUT"})
    part["identity"]["name"] = "Hill CUT"
    whole = {**save(part), "more CUT": 1}
    data = as_json(whole).replace(b"CUT", rb"\ud83c")
    found, files = planned(save=data)
    (one,) = found.universes
    (kept,) = one.snapshots
    assert (one.name, kept.tick) == ("Hill \ufffd", 9)
    assert json.loads(one.config) == {"sky \ufffd": "\ufffd"}
    assert files.taken(kept.source) == data
