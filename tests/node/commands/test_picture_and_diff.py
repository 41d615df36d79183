"""`panspermia picture` and `panspermia diff`, from the shell, with no node anywhere."""

import json
from pathlib import Path

from tests.node.commands.test_convert import run
from tests.registry.formats import files


def test_a_genome_is_drawn(tmp_path: Path) -> None:
    source = tmp_path / "animals.json"
    source.write_bytes(files.ANIMALS)
    args = ("picture", str(source), "--item", "1", "-o", str(tmp_path / "orbium.PNG"))
    done = run("--json", *args)
    told = json.loads(done.stdout)
    assert (told["name"], told["as"], told["format"]) == ("Orbium unicaudatus", "png", "lenia")
    assert (tmp_path / "orbium.PNG").read_bytes().startswith(b"\x89PNG")
    assert run(*args).returncode == 1
    assert run(*args, "--force").returncode == 0
    piped = run("picture", "-", stdin=files.GENOTYPE)
    assert piped.stdout.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    other = run("picture", str(source), "--item", "1", "-o", str(tmp_path / "orbium.gif"))
    assert (other.returncode, (tmp_path / "orbium.gif").exists()) == (2, False)
    assert b"is drawn as .svg or .png, not as .gif" in other.stderr
    refused = run("picture", "-", stdin=files.CONFIG)
    assert refused.returncode == 1
    assert b"nothing draws primordium-config" in refused.stderr


def test_two_genomes_are_compared(tmp_path: Path) -> None:
    a, b = tmp_path / "a.rle", tmp_path / "b.cells"
    a.write_bytes(b"x=3,y=3\nbo$2bo$3o!")
    b.write_bytes(b".O\n..O\nOOOO\n")
    done = run("diff", str(a), str(b))
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "~ size: 3 × 3 → 4 × 3", "~ population: 5 → 6", "+ cells: 1",
        "1 × size changed, 1 × population changed, 1 × cells added",
    ]  # fmt: skip
    told = json.loads(run("--json", "diff", str(a), str(a)).stdout)
    assert (told["same_bytes"], told["same"], told["changes"]) == (True, True, [])
    c = tmp_path / "c.toml"
    c.write_bytes(files.CONFIG)
    assert b"have nothing to compare" in run("diff", str(a), str(c)).stderr
