"""What was published is drawn, converted and compared by its id, as files are."""

from pathlib import Path

import pytest

from node.client import find_client
from tests.e2e.story import Shell, StartNode
from tests.registry.formats import files

pytestmark = pytest.mark.nodes


def test_records_in_place_of_files(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    client = find_client(str(alice.home))
    genome = client.post("/api/registry/genomes", {"genotype": files.GENOTYPE.decode()})["id"]
    seed = client.post("/api/registry/seeds", {"config": files.CONFIG_JSON.decode()})["id"]

    drawn = shell(alice, "picture", genome, "-o", str(tmp_path / "brain.png"))
    assert (drawn.code, drawn.answer["format"]) == (0, "primordium-genotype")
    toml = tmp_path / "config.toml"
    assert shell(alice, "convert", seed, "--to", "primordium-config", "-o", str(toml)).code == 0
    assert shell(alice, "diff", seed, str(toml)).answer["same"]
    missing = shell(alice, "diff", seed, "0" * 64)
    assert missing.code == 5
