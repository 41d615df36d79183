"""Each command that `docs/challenges.md` and the README show is one that the shell takes."""

import re
import shlex

import click
import pytest

from node.commands.challenge import challenge_command
from tests.documents import ROOT

TEXT = (ROOT / "docs" / "challenges.md").read_text() + (ROOT / "README.md").read_text()
SHOWN = sorted(set(re.findall(r"^(?:\$ |\| `)?panspermia challenge ([^`\n]+)", TEXT, re.MULTILINE)))


def test_all_of_them_are_shown() -> None:
    assert {line.split()[0] for line in SHOWN} == challenge_command.commands.keys()


@pytest.mark.parametrize("line", SHOWN)
def test_the_shell_takes_it(line: str) -> None:
    name, *words = shlex.split(line)
    command = challenge_command.commands[name]
    assert isinstance(command, click.Command)
    command.make_context(name, words)
