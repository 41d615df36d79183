"""What people have, through a real node: all animals of Lenia and all patterns of Debian's golly.

Published as one directory, broken off in the middle by Ctrl-C and gone on with, and every one
fetched back byte for byte.
"""

import json
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from node.client import Client, find_client, path_of
from node.commands.nodes import COMMAND, clean_environment, wait_for
from registry.formats import Format, detect, identity_of, read
from tests.e2e.story import Ran, StartNode, hearing_interrupts
from tests.registry.formats.files import GOLLY, samples

pytestmark = [pytest.mark.nodes, pytest.mark.long]

ANIMALS = 548
PUBLISH_S = 600.0  # some 900 publications, on a machine that does other things beside
PUBLISHED_BEFORE_CTRL_C = 20


def real_files(folder: Path) -> Path:
    animals = samples("lenia") / "animals.json"
    if not GOLLY.is_dir():
        pytest.skip(f"no patterns in {GOLLY}: the package golly is not installed")
    shutil.copytree(GOLLY, folder / "patterns")
    shutil.copy(animals, folder / "animals.json")
    return folder


def what_they_hold(folder: Path) -> dict[str, bytes]:
    """The bytes of each genome by its identity: each animal, and each pattern as its file is."""
    animals = read(Format.LENIA, (folder / "animals.json").read_bytes(), "animals.json")
    held = {animal.identity: animal.data for animal in animals}
    for file in (path for path in (folder / "patterns").rglob("*") if path.is_file()):
        data = file.read_bytes()
        if detect(file.name, data) is not Format.UNKNOWN:
            held[identity_of(data)] = data
    return held


def start_publishing(home: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--json", "--home", home, "publish", str(folder)],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(publishing: subprocess.Popen[str]) -> Ran:
    out, err = publishing.communicate(timeout=PUBLISH_S)
    assert "Traceback" not in err, err
    return Ran(publishing.returncode, tuple(map(json.loads, out.splitlines())), err)


def listed(client: Client) -> int:
    return len(client.get("/api/registry/genomes", {"limit": 1_000})["genomes"])


def test_every_animal_and_every_pattern_comes_back_as_it_was(
    node: StartNode, tmp_path: Path
) -> None:
    folder = real_files(tmp_path / "real")
    held = what_they_hold(folder)
    alice = node("alice")
    client = find_client(str(alice.home))

    with hearing_interrupts():
        publishing = start_publishing(str(alice.home), folder)
    wait_for(
        "some of them to be published",
        PUBLISH_S,
        lambda: listed(client) >= PUBLISHED_BEFORE_CTRL_C or None,
    )
    publishing.send_signal(signal.SIGINT)
    broken_off = ended(publishing)
    assert (broken_off.code, broken_off.answer["code"]) == (130, "interrupted"), broken_off
    assert "The same command goes on where this one stopped" in broken_off.answer["detail"]
    by_then = {one["id"] for one in broken_off.answer["published"]}
    # Of the one under way the node may have answered what was not heard any more.
    assert PUBLISHED_BEFORE_CTRL_C - 1 <= len(by_then) < len(held)

    done = ended(start_publishing(str(alice.home), folder))
    assert done.code == 0, done.answer.get("refused")
    states = Counter(one["state"] for one in done.answer["published"])
    known = {one["id"] for one in done.answer["published"] if one["state"] == "known"}
    assert by_then <= known
    assert {one["id"] for one in done.answer["published"]} == held.keys()
    animals = [one for one in done.answer["published"] if one["file"].endswith("animals.json")]
    assert len(animals) + sum(len(one["duplicates"]) for one in animals) == ANIMALS
    assert len(held) > ANIMALS + 280
    assert states["known"] < len(held)  # the rest came with the second command

    for id, data in held.items():
        fetched = client.get_bytes(path_of("/api/registry/genomes", id, "download"))
        assert fetched == data
        assert identity_of(fetched) == id
