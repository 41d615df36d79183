"""What the documents name is there: commands with their flags, settings, addresses, files, names.

Decisions are left out: they say what was, and are never edited.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import cli
from node.api.app import ENDPOINTS
from node.api.multiverse_addresses import moved
from node.settings import setting_names
from tests.documents import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "protocol").glob("*.md")),
]
TEXTS = {str(one.relative_to(ROOT)): one.read_text() for one in DOCUMENTS}
HASHED = {"relays"}  # texts of a protocol that begin as a command does
FILES = {"registry.db"}  # named as a setting is
PYTHON = r"(?:crdt|registry|p2p|storage|node|universe)"


def commands(text: str) -> Iterator[list[str]]:
    """The words after `panspermia`, in code spans and at the beginning of lines in blocks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shown = [
        line
        for block in blocks
        for line in re.findall(r"^(?:\$ )?panspermia (.+)", block, re.MULTILINE)
    ]
    for line in shown + re.findall(r"`panspermia ([^`]+)`", text):
        words = line.partition(" #")[0].split()
        if re.match(r"[a-z-]", words[0]) and words[0] not in HASHED:
            yield words


def wrong_in(words: list[str]) -> str | None:
    """What the shell would refuse of it, names of commands and flags alone."""
    command: click.Command = cli
    context = click.Context(cli)
    flags = {flag: one for one in cli.params for flag in (*one.opts, *one.secondary_opts)}
    values = 0
    for word in words:
        if values:
            values -= 1
        elif found := re.match(r"\[?(--?[A-Za-z][\w-]*)(=?)", word):
            option = flags.get(found[1])
            if option is None:
                return found[1]
            is_flag = isinstance(option, click.Option) and (option.is_flag or option.count)
            values = 0 if is_flag or found[2] else option.nargs
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            inner = command.get_command(context, word)
            if inner is None:
                return word
            command = inner
            flags |= {
                flag: one for one in inner.params for flag in (*one.opts, *one.secondary_opts)
            }
    return None


@pytest.mark.parametrize("name", TEXTS)
def test_the_shell_knows_each_command_and_its_flags(name: str) -> None:
    wrong = {" ".join(words): wrong_in(words) for words in commands(TEXTS[name])}
    assert {line: why for line, why in wrong.items() if why} == {}


def test_a_flag_that_is_not_there_would_be_seen() -> None:
    (one, other, fine) = commands("`panspermia peers --nosuch` `panspermia nosuch` `panspermia up`")
    assert (wrong_in(one), wrong_in(other), wrong_in(fine)) == ("--nosuch", "nosuch", None)


@pytest.mark.parametrize("name", TEXTS)
def test_settings_are_those_that_can_be_set(name: str) -> None:
    known = set(setting_names())
    sections = "|".join(sorted({one.partition(".")[0] for one in known}))
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)[`\s]", TEXTS[name]))
    assert named - known - FILES == set()


@pytest.mark.parametrize("name", TEXTS)
def test_addresses_are_those_that_are_served(name: str) -> None:
    served = [re.compile(re.sub(r"\{[^}]*\}", "[^ ]+", one.path)) for one in ENDPOINTS]
    named = set(
        re.findall(r"(?<![\w.])(/api/[^\s`\"'),;?|…]+?)[.:]?(?=[\s`\"'),;?|…]|$)", TEXTS[name])
    )
    known = {one for one in named if any(path.fullmatch(moved(one) or one) for path in served)}
    assert named == known


@pytest.mark.parametrize("name", TEXTS)
def test_files_and_names_of_the_code_are_there(name: str) -> None:
    text, folder = TEXTS[name], Path(ROOT, name).parent
    missing = {
        path
        for path in re.findall(rf"`((?:{PYTHON}|tests|scripts|docs)/[\w./-]+)`", text)
        if not (ROOT / path).exists()
    }
    missing |= {
        path
        for path in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not (folder / path).exists()
    }
    missing |= {
        test
        for test in re.findall(r"`(test_\w+\.py)`", text)
        if not any(ROOT.glob(f"tests/**/{test}"))
    }
    names = re.findall(rf"`({PYTHON}(?:\.\w+)+\.[A-Z]\w+)`", text)
    assert missing | {one for one in names if not is_python(one)} == set()


def is_python(name: str) -> bool:
    """Whether some module defines it, or has something that has it."""
    module, _, rest = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), rest)
    except ImportError:
        return False
