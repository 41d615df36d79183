"""A state that a program left half-written is kept as it is, and told."""

import pytest

from tests.universe.formats.memory import MemoryFiles, packed
from tests.universe.formats.villages import entry, state, village
from universe.formats import About, half_written, plan_ai_village
from universe.formats.half_written import NO_JSON

MAIN = "universe:main"
WHOLE = state(5)


def told(data: bytes, name: str = "5.json.gz") -> list[str]:
    files = village(MAIN, [entry(5, 5, filename=name)], {})
    place = f"universes/{MAIN}/snapshots/{name}"
    files[place] = packed(data) if name.endswith(".gz") else data
    found = plan_ai_village(MemoryFiles(files))
    (one,) = found.universes[0].snapshots
    assert one.content.size == len(data), "kept as it is"
    assert not found.report.refused
    lines = [str(each) for each in found.report.problems if each.about is About.CLAIM]
    return [line.removeprefix(f"{place}: ") for line in lines if line.startswith(place)]


@pytest.mark.parametrize("name", ["5.json.gz", "5.json"])
@pytest.mark.parametrize("held_bytes_max", [half_written.HELD_BYTES_MAX, 20])
@pytest.mark.parametrize(
    ("data", "is_told"),
    [
        (WHOLE, False),
        (b"\n" + WHOLE + b"\n", False),
        (b"\xef\xbb\xbf" + WHOLE, False),
        (b'["' + rb"\ud83c" + b'", "xxxxxxxxxxxxxxxxxx"]', False),
        (WHOLE[:-1], True),
        (WHOLE[: len(WHOLE) // 2], True),
        (WHOLE + b"junk", True),
        (b"junk" + WHOLE, True),
        (bytes(100), True),
        (b" " * 100, True),
    ],
    ids=range(10),
)
def test_what_is_called_json_and_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, data: bytes, held_bytes_max: int, name: str, *, is_told: bool
) -> None:
    """Of a large one by how it begins and ends."""
    monkeypatch.setattr(half_written, "HELD_BYTES_MAX", held_bytes_max)
    assert told(data, name) == [NO_JSON] * is_told


def test_a_short_one_is_looked_at_whole() -> None:
    assert told(WHOLE + WHOLE) == [NO_JSON]
    assert told(b'{"name": "\xff"}') == [NO_JSON]
    assert told(b'{"a": [1, 2}') == [NO_JSON]
    assert told(b"[" * 100_000 + b"]" * 100_000) == []
