"""What import-linter cannot see: an `async def` needs no import, and `cli.py` is no package."""

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

# In one process, which parses each file once: see `look`.
pytestmark = pytest.mark.xdist_group("architecture")

ROOT = Path(__file__).parent.parent
CORES = ["crdt", "registry", "universe", "p2p/protocol"]
FOLDERS = ["node", "universe", "registry", "p2p", "storage", "crdt"]

# House style: a module that outgrows this is asking for a name for one of its parts.
MODULE_LINES_MAX = 400

# A function that no longer fits a screen.
FUNCTION_LINES_MAX = 70

WAITS = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)


@dataclass(frozen=True)
class Look:
    """What is asked of one file. Its tree is not kept: that of all would take hundreds of MiB."""

    path: str
    is_silent: bool  # without a docstring
    imported: frozenset[str]
    imported_at_its_top: frozenset[str]
    wrong: tuple[tuple[str, int], ...]  # (what it is, in which line)


@cache
def look(file: Path) -> Look:
    tree = ast.parse(file.read_text())
    nodes = list(ast.walk(tree))
    return Look(
        str(file.relative_to(ROOT)),
        not ast.get_docstring(tree),
        imported(nodes),
        imported(tree.body),
        tuple((what, getattr(node, "lineno", 0)) for node in nodes for what in said_of(node)),
    )


def said_of(node: ast.AST) -> list[str]:
    said = ["waits"] if isinstance(node, WAITS) else []
    match node:
        case ast.Attribute(attr="environ" | "getenv"):
            said.append("reads the environment")
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="asyncio" | "loop"), attr="create_task")
        ):
            said.append("makes a task of no group")
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX:
                said.append("is too long")
        case _:
            pass
    return said


def files(folders: list[str]) -> list[Path]:
    found = [ROOT / name for name in folders if name.endswith(".py")]
    return found + [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]


def looks(folders: list[str]) -> list[Look]:
    return [look(path) for path in files(folders)]


def imported(nodes: list[ast.AST] | list[ast.stmt]) -> frozenset[str]:
    froms = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    return frozenset(froms | plain)


def lines_where(folders: list[str], it: str) -> list[str]:
    """`path:line` of all that `said_of` says so of."""
    return [
        f"{one.path}:{line}" for one in looks(folders) for said, line in one.wrong if said == it
    ]


def test_a_core_never_awaits() -> None:
    assert lines_where(["node"], "waits")
    assert not lines_where(CORES, "waits")


def test_nothing_imports_the_command_line_tests_or_scripts() -> None:
    above = {"cli", "tests", "scripts"}
    roots = {one.path: {name.partition(".")[0] for name in one.imported} for one in looks(FOLDERS)}
    assert not {path: wrong for path, names in roots.items() if (wrong := names & above)}


def test_the_command_line_imports_click_and_the_standard_library() -> None:
    (one,) = looks(["cli.py"])
    roots = {name.partition(".")[0] for name in one.imported_at_its_top}
    assert roots - sys.stdlib_module_names == {"click"}


def test_only_the_document_class_knows_automerge() -> None:
    knows = {
        one.path
        for one in looks(FOLDERS)
        if any(name.partition(".")[0] == "automerge" for name in one.imported)
    }
    assert knows == {"crdt/document.py"}


def test_only_the_commands_read_the_environment() -> None:
    reading = lines_where(FOLDERS, "reads the environment")
    assert reading
    # What games take with them runs in their process, and finds the node's home by itself.
    theirs = ("node/commands/", "node/clients/")
    assert not [at for at in reading if not at.startswith(theirs)]


def test_tasks_come_from_a_group() -> None:
    assert not lines_where(FOLDERS, "makes a task of no group")


def test_a_module_stays_readable() -> None:
    # A game takes one file with it: the one that outgrows this cannot be two.
    ours = [path for path in files(FOLDERS) if path.parent != ROOT / "node/clients"]
    lengths = {path: len(path.read_text().splitlines()) for path in ours}
    assert not {str(path): n for path, n in lengths.items() if n > MODULE_LINES_MAX}


def test_a_function_fits_a_screen() -> None:
    assert not lines_where(FOLDERS, "is too long")


def test_every_module_says_what_it_is() -> None:
    silent = [one.path for one in looks([*FOLDERS, "cli.py", "scripts"]) if one.is_silent]
    assert not silent


def test_every_waiver_gives_its_reason() -> None:
    """On its line, or in a comment on one of the three above."""
    waiver = re.compile(r"# (type: ignore|noqa|pyright: ignore)(\[[^]]*\]|: [A-Z0-9, ]*)?(.*)")
    bare: list[str] = []
    for path in files([*FOLDERS, "cli.py", "scripts", "tests"]):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            above = any(before.lstrip().startswith("# ") for before in lines[number - 3 : number])
            if (found := waiver.search(line)) and not found[3].strip() and not above:
                bare.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert not bare


def test_no_module_is_called_after_nothing() -> None:
    names = {path.stem for path in files(FOLDERS)}
    assert not names & {"utils", "util", "helpers", "common", "misc", "base", "manager"}
