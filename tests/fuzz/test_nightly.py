"""What `scripts/nightly` does around the fuzzer, which only it has."""

import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from scripts.fuzzing.__main__ import (
    NODES,
    Progress,
    main,
    note,
    read_arguments,
    simulation,
    wanted,
)
from scripts.fuzzing.plan import Cache, share_out
from tests.fuzz.targets import BY_NAME, TARGETS
from tests.simulation.hostile.world import how_many

FEW = [BY_NAME[name] for name in ("did", "leb128", "session-open")]
# What a night is for, whatever else it fuzzes.
DECODERS = {
    "frames": {"frame", "stream", "session-greeting", "session-open", "handshake-payload"},
    "entries": {"entry", "signed-entry", "path", "area", "document-id"},
    "capabilities": {"capability", "delegation"},
    "envelopes": {"envelope", "authority", "frontier"},
    "the Automerge preflight": {"change", "automerge-file", "sync-message", "load"},
    "CBOR": {"cbor"},
}


def test_a_night_is_ten_million_inputs_over_every_decoder() -> None:
    options = read_arguments([])
    assert options.inputs == 10_000_000
    assert wanted(options) == list(TARGETS)
    for decoder, names in DECODERS.items():
        assert names <= BY_NAME.keys(), f"nothing fuzzes {decoder}"
    plan = share_out(wanted(options), options.inputs)
    assert sum(plan.values()) >= 10_000_000
    assert min(plan.values()) >= 1_000, "a target that hardly gets any"


def test_a_night_is_a_thousand_worlds_of_up_to_fifty_nodes(pytestconfig: pytest.Config) -> None:
    options = read_arguments([])
    assert (options.seeds, NODES) == (1_000, 50)
    command, variables = simulation(options.seeds, options.first)
    found = subprocess.run(
        [*command, "--collect-only"],
        env={**os.environ, **variables},
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for seed in range(options.first, options.first + 1_000):
        assert f"[{seed}]" in found
    sizes = [
        how_many(Random(f"hostile {seed}"), int(variables["PANSPERMIA_SIMULATION_NODES"]))
        for seed in range(options.first, options.first + 1_000)
    ]
    assert max(sizes) in {49, 50}
    assert sum(size > 12 for size in sizes) > 200, "hardly a large one"


def test_one_target_alone_is_no_night() -> None:
    options = read_arguments(["--target", "cbor"])
    assert (wanted(options), options.seeds) == ([BY_NAME["cbor"]], 0)


def test_all_inputs_are_shared_out_and_the_dear_targets_get_fewer() -> None:
    plan = share_out(FEW, 100_000)
    assert plan.keys() == {"did", "leb128", "session-open"}
    assert 100_000 <= sum(plan.values()) < 100_010
    assert 0 < plan["session-open"] < min(plan["did"], plan["leb128"])


def test_every_target_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BY_NAME)


def test_an_input_is_repeated_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"did:key:z")
    assert main(["--target", "did", "--input", str(file)]) == 0
    assert "did: refused" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--input", str(file)])


def test_a_finding_is_written_down_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    cache, progress = Cache(tmp_path), Progress(BY_NAME["did"], 1_000)
    for line in (
        "#512\tNEW    cov: 12 ft: 14 corp: 3/61b lim: 4 exec/s: 0 rss: 90Mb",
        "KeyError: 'not ours'",
        f"artifact_prefix='x'; Test unit written to {tmp_path}/crash-1",
    ):
        progress.hear(line)
    assert (progress.inputs, progress.corpus) == (512, 3)
    note(progress, cache)
    (line,) = cache.findings.read_text().splitlines()
    assert "KeyError: 'not ours'" in line
    assert line.endswith(f"scripts/nightly --target did --input {tmp_path}/crash-1")
