"""SaveFiles that are small as they lie, and would take hours or all memory to look through."""

import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.errors import InvalidFile
from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.test_budget import ReadFiles
from universe.formats import About, Plan, Source, costs, plan
from universe.formats.costs import Costs
from universe.formats.imported import Report
from universe.formats.limits import SAVE_BYTES_MAX, STEP_BYTES
from universe.formats.savefile import read_savefile
from universe.formats.spans import Cursor
from universe.formats.taking import pieces_of, read
from universe.formats.unpacking import PIECE_BYTES

SCHEMA = b'{"$schema": "https://aivillage.dev/schemas/savefile/v1", "$version": 1'


def savefile(id: str, more: bytes = b"[]", config: bytes = b"{}") -> bytes:
    """Of one universe, with `more` in it that is passed over."""
    identity = b'"identity": {"id": "%s"}, "time": {"universeTick": 1}' % id.encode()
    part = b'{%s, "config": %s, "entities": %s}' % (identity, config, more)
    return SCHEMA + b', "universes": [' + part + b"]}"


def several(files: Mapping[str, bytes]) -> ReadFiles:
    return ReadFiles({f"{name}.json.gz": packed(data) for name, data in files.items()})


def ids(found: Plan) -> list[str]:
    return sorted(one.id for one in found.universes)


def told(found: Plan, about: About) -> list[str]:
    return [str(one) for one in found.report.problems if one.about is about]


def test_of_one_file_so_many_values_are_gone_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists in lists in lists, each of which is a step; the others are imported."""
    monkeypatch.setattr(costs, "STEP_BYTES", SAVE_BYTES_MAX // 1_000)
    deep = b"[" + b"[[[1]]]," * 1_001 + b"1]"
    files = several({"a": savefile("universe:a", deep), "b": savefile("universe:b")})
    found = plan(files)
    assert ids(found) == ["universe:b"]
    (line,) = told(found, About.TOO_MUCH)
    assert line.startswith("a.json.gz: byte ")
    assert line.endswith(": more than 1,000 values that hold others in one file")
    assert found.report.refused == 1


@pytest.mark.parametrize(("each", "text"), [(1, b"[[[1]]],"), (3, b'{"a":[[{"b":[1]}]]},')])
def test_a_value_is_one_step_with_what_closes_it(each: int, text: bytes) -> None:
    """The lists and objects that hold others which hold others again: no bracket counts twice."""
    text = b"[" + text * 300 + b"1]"
    of_all = Costs()
    before = of_all.steps.left
    Cursor(text, "x", of_all).span()
    assert before - of_all.steps.left == 1 + 300 * each


def test_what_is_flat_is_gone_over_with_what_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "STEP_BYTES", SAVE_BYTES_MAX // 1_000)
    flat = b"[" + b'[],{"at":[1,2],"say":"[{"},' * 9_000 + b"1]"
    found = plan(several({"a": savefile("universe:a", flat)}))
    assert (ids(found), found.report.problems) == (["universe:a"], [])


def test_keys_of_an_object_that_is_looked_into_are_steps_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(costs, "STEP_BYTES", SAVE_BYTES_MAX // 1_000)
    data = savefile("universe:a", b"1" + b"".join(b',"%d":1' % one for one in range(200)))
    found = plan(several({"a": data}))
    assert (ids(found), len(told(found, About.TOO_MUCH))) == ([], 1)


def test_of_all_files_so_many_bytes_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are unpacked. What lies there plain, or packed as worlds are, is taken all of it."""
    data = {name: savefile(f"universe:{name}", b"[%s1]" % (b"1," * 5_000)) for name in "abcd"}
    monkeypatch.setattr(costs, "ALL_SAVES_BYTES_MAX", 2 * len(data["a"]))
    monkeypatch.setattr(costs, "ALL_SAVES_TIMES_MAX", 1)
    files = several(data)
    found = plan(files)
    assert ids(found) == ["universe:a", "universe:b"]
    lines = told(found, About.TOO_MUCH)
    assert [line.partition(":")[0] for line in lines] == ["c.json.gz", "d.json.gz"]
    assert {line.partition(" bytes")[2] for line in lines} == {
        ", unpacked, in all such files together: import it by itself"
    }
    # Beside the planner's first look; what is taken is read once more, for what it is.
    assert [files.read[f"{name}.json.gz"] - 1 for name in "abcd"] == [2, 2, 1, 0]
    plain = plan(MemoryFiles({f"{name}.json": each for name, each in data.items()}))
    assert (len(plain.universes), plain.report.problems) == (4, [])


def test_of_all_files_so_many_values_are_gone_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "ALL_SAVES_BYTES_MAX", 1_300 * STEP_BYTES)
    monkeypatch.setattr(costs, "ALL_SAVES_TIMES_MAX", 0)
    deep = b"[" + b"[[[]]]," * 400 + b"1]"
    found = plan(several({name: savefile(f"universe:{name}", deep) for name in "abcd"}))
    assert ids(found) == ["universe:a", "universe:b"]
    lines = told(found, About.TOO_MUCH)
    assert ["1,300 values that hold others in all" in line for line in lines] == [True, True]


def test_of_one_file_and_of_all_so_much_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of `[],` take 30 times the memory of their text."""
    config = b'{"a": [%s1]}' % (b"[]," * 1_000)
    monkeypatch.setattr(costs, "PARTS_BYTES_MAX", 5_000)
    monkeypatch.setattr(costs, "ALL_PARTS_BYTES_MAX", 8_000)
    twice = savefile("universe:a", config=config)[:-2]
    twice += b"," + twice[len(SCHEMA) + len(b', "universes": [') :] + b"]}"
    data = {name: savefile(f"universe:{name}", config=config) for name in "bcd"}
    found = plan(several({"a": twice}))
    (line,) = told(found, About.TOO_MUCH)
    assert "more than 5,000 bytes of what is read of worlds in one file" in line
    assert ids(found) == []
    found = plan(several(data))
    assert ids(found) == ["universe:b", "universe:c"]
    (line,) = told(found, About.TOO_MUCH)
    assert "8,000 bytes of what is read of worlds in all such files together" in line


def test_of_all_files_so_many_universes_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "ALL_LISTED_MAX", 3)
    two = {
        name: as_json(save(universe_part(f"universe:{name}1", 1), universe_part("universe:x", 2)))
        for name in "ab"
    }
    found = plan(several(two))
    assert ids(found) == ["universe:a1", "universe:x"]
    (line,) = told(found, About.TOO_MUCH)
    assert "beyond 3 universes in all such files together" in line


def test_checksums_are_checked_of_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, the states are taken all the same: their own bytes are what they are known by."""
    monkeypatch.setattr(costs, "ALL_CHECKED_BYTES_MAX", 500)
    wrong = universe_part("universe:a", 1)
    wrong["checksums"]["worldState"] = hashlib.sha256(b"").hexdigest()
    found = plan(MemoryFiles({"a.json": as_json(save(wrong))}))
    assert ids(found) == ["universe:a"]
    assert [line.partition(": beyond")[0] for line in told(found, About.CHECKSUM)] == [
        "a.json: /checksums: 5 checksums are not checked"
    ]
    assert found.report.refused == 0


def test_what_two_checksums_are_of_is_taken_apart_once() -> None:
    """That of the entities, and that of the components in them."""
    one = universe_part("universe:a", 1)
    entities, of_all = one["entities"], Costs()
    whole = save(one)
    whole["checksums"] = {}
    one["checksums"].pop("worldState")
    data, report = as_json(whole), Report()
    before = of_all.checked.left
    read_savefile(MemoryFiles({"a.json": data}), "a.json", report, of_all)
    assert not report.problems
    start = data.index(b"[", data.index(b'"entities"'))
    end = data.index(b'"worldState"')
    text = data[start:end].rstrip(b", \n")
    assert json.loads(text) == entities
    assert before - of_all.checked.left == len(text)


def test_saves_of_primordium_have_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = b'{"version": 1, "world": {"tick": 5, "cells": [%s1]}}' % (b"[[[]]]," * 1_001)
    small = b'{"version": 1, "world": {"tick": 5, "cells": []}}'
    monkeypatch.setattr(costs, "STEP_BYTES", SAVE_BYTES_MAX // 1_000)
    found = plan(MemoryFiles({"a/save.json": packed(world), "b/save.json": small}))
    assert ids(found) == ["universe:b"]
    (line,) = told(found, About.TOO_MUCH)
    assert line.endswith("more than 1,000 values that hold others in one file")


def test_a_text_is_in_memory_once() -> None:
    data = b'{"a": "%s"}' % (b"x" * (16 << 20))
    files = MemoryFiles({"a.json.gz": gzip.compress(data, 1)})
    tracemalloc.start()
    try:
        assert read(files, "a.json.gz", 1 << 30) == data
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1.5 * len(data)


def test_a_part_of_a_text_comes_in_pieces() -> None:
    data = b"ab" * PIECE_BYTES
    source = Source("a.json", span=(1, len(data) - 1))
    pieces = [*pieces_of(MemoryFiles({"a.json": data}), source)]
    assert [len(one) for one in pieces] == [PIECE_BYTES, PIECE_BYTES - 2]
    assert b"".join(pieces) == data[1:-1]


def end_of(text: bytes) -> int | None:
    """Where the bracket that it begins with is closed: one character after the other."""
    depth, inside, at = 0, False, 0
    while at < len(text):
        character = text[at : at + 1]
        if inside and character == b"\\":
            at += 1
        elif character == b'"':
            inside = not inside
        elif not inside and character in b"[{":
            depth += 1
        elif not inside and character in b"]}":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return None


PART = st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", '"a"', "[]", '{"b":1}', "12", "é"])


@given(st.lists(PART, max_size=300).map("".join), st.integers(0, 9))
def test_a_value_that_is_passed_over_ends_where_its_brackets_do(text: str, closed: int) -> None:
    """Whatever is in it, and however deep what is flat in it goes."""
    data = f"[{text}{']' * closed}".encode()
    end = end_of(data)
    if end is None:
        with pytest.raises(InvalidFile, match="ends too early"):
            Cursor(data, "x").span()
    else:
        assert Cursor(data, "x").span() == (0, end)


def test_what_was_spent_stays_spent() -> None:
    one = Costs().universes
    with pytest.raises(costs.TooMuch):
        one.spend(10_001, "a")
    one.begin("b")
    assert one.left == 10_000
