"""`panspermia convert`, from the shell, with no node anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.workers.test_tables import registry_db
from tests.registry.formats import files

SCRIPT = Path(__file__).parents[3] / "cli.py"


def run(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *args], input=stdin, capture_output=True, check=False
    )


def test_a_pattern_from_stdin_to_stdout() -> None:
    done = run("convert", "-", "--to", "cells", stdin=b"x=3,y=3\nbo$2bo$3o!")
    assert (done.returncode, done.stdout) == (0, b".O.\n..O\nOOO\n")
    assert b"lost on the way: the rule" in done.stderr


def test_files_are_written_once_and_replaced_only_by_force(tmp_path: Path) -> None:
    source, target = tmp_path / "dna.txt", tmp_path / "dna.json"
    source.write_bytes(files.GENOTYPE)
    args = ("--json", "convert", str(source), "--to", "primordium-json", "-o", str(target))
    done = run(*args)
    assert json.loads(done.stdout) == {
        "schema": "panspermia.convert/1", "from": "primordium-genotype", "to": "primordium-json",
        "size": target.stat().st_size, "loses": "", "file": str(target),
    }  # fmt: skip
    again = run(*args)
    assert (again.returncode, json.loads(again.stdout)["code"]) == (1, "file-exists")
    assert run(*args, "--force").returncode == 0
    assert source.read_bytes() == files.GENOTYPE


def test_items_options_and_sources_are_named(tmp_path: Path) -> None:
    animals = tmp_path / "animals.json"
    animals.write_bytes(files.ANIMALS)
    done = run("convert", str(animals), "--to", "rle", "--item", "2")
    assert done.stdout.startswith(b"#N Orbium unicaudatus ignis\n")
    sent = run(
        "convert", "-", "--from", "primordium-genotype", "--to", "primordium-migration",
        "--set", "energy=5.5", "--set", "generation=7", stdin=files.GENOTYPE,
    )  # fmt: skip
    assert json.loads(sent.stdout)["payload"]["generation"] == 7


def test_an_item_of_a_database_of_any_size(tmp_path: Path) -> None:
    registry_db(tmp_path)
    database = tmp_path / "registry.db"
    os.truncate(database, 3 << 30)
    done = run("convert", str(database), "--item", "2", "--to", "primordium-genotype")
    assert (done.returncode, done.stdout) == (0, files.GENOTYPE)
    drawn = run("picture", str(database), "--item", "2", "-o", str(tmp_path / "best.svg"))
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "best.svg").read_bytes().startswith(b"<svg")
    other = run("convert", str(database), "--from", "rle", "--to", "cells")
    assert (other.returncode, b"is a SQLite file" in other.stderr) == (1, True)


@pytest.mark.parametrize(
    ("args", "stdin", "code", "words"),
    [
        (("convert",), b"", 2, b"--list"),
        (("convert", "-", "--to", "rlx"), b"", 1, b"'rlx' is no format; there are: "),
        (("convert", "-", "--to", "cells"), b"x=1,y=1\n9?", 1, b"stdin: line 2, column 1"),
        (("convert", "-", "--to", "cells"), b"\x80\x04K\x01.", 1, b"export_network_json"),
        (("convert", "/nonexistent", "--to", "rle"), b"", 1, b"No such file"),
        (("convert", "/", "--to", "rle"), b"", 1, b"no file"),
        (("convert", "-", "--to", "bibites"), b"x=1,y=1\no!", 1, b"nothing leads from rle"),
        (("--json", "convert", "-", "--to", "cells"), b"", 2, b"give -o FILE"),
    ],
)
def test_what_goes_wrong_is_said(
    args: tuple[str, ...], stdin: bytes, code: int, words: bytes
) -> None:
    done = run(*args, stdin=stdin)
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def test_the_list_of_formats_and_ways() -> None:
    done = run("--json", "convert", "--list")
    told = json.loads(done.stdout)
    assert {"format": "rle", "title": "Golly and LifeWiki RLE patterns"} in told["formats"]
    assert {"from": "rle", "to": "macrocell", "loses": "name, author and layout",
            "options": []} in told["conversions"]  # fmt: skip
    assert b"primordium-genotype" in run("convert", "--list").stdout


@pytest.mark.parametrize("command", ["convert", "publish"])
def test_a_message_whose_checksum_is_of_something_else_is_not_verified(
    tmp_path: Path, command: str
) -> None:
    message = json.loads(files.MIGRATION)
    message["payload"]["generation"] += 1
    file = tmp_path / "fox.json"
    file.write_text(json.dumps(message))
    more = ("--to", "primordium-json", "-o", str(tmp_path / "out")) if command == "convert" else ()
    done = run("--json", "--home", str(tmp_path / "none"), command, str(file), *more)
    problem = json.loads(done.stdout)
    assert (done.returncode, problem["code"]) == (7, "file-damaged"), problem
    assert "fox.json: /payload/checksum: is not that of" in problem["detail"]
    message["payload"]["checksum"] = 7  # that is none at all
    file.write_text(json.dumps(message))
    done = run("--json", "--home", str(tmp_path / "none"), command, str(file), *more)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "invalid-file")
