"""What `scripts/nightly` does around the fuzzer, which only it has."""

from pathlib import Path

import pytest

from scripts.fuzzing.__main__ import Progress, main, note
from scripts.fuzzing.plan import Cache, share_out
from tests.fuzz.targets import BY_NAME

FEW = [BY_NAME[name] for name in ("did", "leb128", "session-open")]


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
