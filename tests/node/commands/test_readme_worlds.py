"""What the README says of worlds is typed as it stands there, by somebody new to it."""

import shlex
from pathlib import Path

import pytest

from tests.node.parts import Alice
from tests.node.served import shown, typed
from tests.universe.formats.villages import entry, state, village

README = (Path(__file__).parents[3] / "README.md").read_text()
WORLDS = README.partition("## Worlds")[2].partition("```\n")[2].partition("```")[0]


async def test_each_line_does_what_it_says(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "game"
    for name, data in village("universe:old", [entry(1, 1)], {"1.json.gz": state(1)}).items():
        place = here / "multiverse-data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (here / "world.json").write_bytes(b'{"villages": 2}')
    monkeypatch.chdir(here)
    lines = [shlex.split(line, comments=True) for line in WORLDS.splitlines()]
    assert len(lines) == 8
    said = dict[str, str]()
    async with shown(alice) as home:
        for program, *words in lines:
            assert program == "panspermia"
            ran = await typed(home, *words)
            assert ran.exit_code == 0, f"{shlex.join(words)}: {ran.output}"
            said[words[1] if len(words) > 1 else words[0]] = ran.output
    assert (here / "then.json").read_bytes() == b'{"villages": 2}'
    assert "Two villages join" in said["timeline"]
    assert "at tick 1,200" in said["fork"]
    assert "this was a plan" in said["import"]
    assert "collected 0 blobs" in said["gc"]
    assert (here / "panspermia_autosave.py").read_text().startswith('"""')
