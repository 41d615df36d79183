"""`universe client`: what it writes out is what is tested here, and runs by itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import cli
from node.clients import panspermia_autosave
from node.commands.universe_client import FILES, FOLDER


@pytest.mark.parametrize("language", sorted(FILES))
def test_a_client_is_written_once_and_replaced_only_where_that_is_said(
    language: str, tmp_path: Path
) -> None:
    file = tmp_path / FILES[language]
    command = ["universe", "client", language, "-o", str(file)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert file.read_bytes() == (FOLDER / FILES[language]).read_bytes()
    file.write_text("mine")
    assert CliRunner().invoke(cli, command).exit_code != 0
    assert file.read_text() == "mine"
    assert CliRunner().invoke(cli, [*command, "--force"]).exit_code == 0
    assert file.read_bytes() == (FOLDER / FILES[language]).read_bytes()


def test_the_python_one_needs_nothing_but_python(tmp_path: Path) -> None:
    file = tmp_path / "panspermia_autosave.py"
    command = ["universe", "client", "python", "-o", str(file)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    # -S: without site-packages; -I: nor anything of this folder or of the environment.
    run = "import runpy, sys; print(sorted(runpy.run_path(sys.argv[1])['KINDS']))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run, str(file)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout.strip() == str(sorted(panspermia_autosave.KINDS)), done.stderr
