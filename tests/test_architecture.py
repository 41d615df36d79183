"""What import-linter cannot see: an `async def` needs no import, and `cli.py` is no package."""

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORES = ["crdt", "registry", "universe", "p2p/protocol"]
FOLDERS = ["node", "universe", "registry", "p2p", "storage", "crdt"]

# House style: a module that outgrows this is asking for a name for one of its parts.
MODULE_LINES_MAX = 400

# A function that no longer fits a screen.
FUNCTION_LINES_MAX = 70

Tree = tuple[str, ast.Module]


def files(folders: list[str]) -> list[Path]:
    found = [ROOT / name for name in folders if name.endswith(".py")]
    return found + [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]


def trees(folders: list[str]) -> list[Tree]:
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in files(folders)]


def imported(tree: ast.Module) -> set[str]:
    froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    return froms | plain


def lines_where(folders: list[str], is_wrong: Callable[[ast.AST], bool]) -> list[str]:
    return [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path, tree in trees(folders)
        for node in ast.walk(tree)
        if is_wrong(node)
    ]


def test_a_core_never_awaits() -> None:
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not lines_where(CORES, lambda node: isinstance(node, waits))


def test_nothing_imports_the_command_line_tests_or_scripts() -> None:
    above = {"cli", "tests", "scripts"}
    roots = {
        path: {name.partition(".")[0] for name in imported(tree)} for path, tree in trees(FOLDERS)
    }
    assert not {path: wrong for path, names in roots.items() if (wrong := names & above)}


def test_the_command_line_imports_click_and_the_standard_library() -> None:
    ((_, tree),) = trees(["cli.py"])
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    top |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in top}
    assert roots - sys.stdlib_module_names == {"click"}


def test_only_the_document_class_knows_automerge() -> None:
    knows = {
        path
        for path, tree in trees(FOLDERS)
        if any(name.partition(".")[0] == "automerge" for name in imported(tree))
    }
    assert knows == {"crdt/document.py"}


def test_only_the_commands_read_the_environment() -> None:
    def reads(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")

    assert not [at for at in lines_where(FOLDERS, reads) if not at.startswith("node/commands/")]


def test_tasks_come_from_a_group() -> None:
    def is_loose(node: ast.AST) -> bool:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="asyncio" | "loop"), attr="create_task")
            ):
                return True
            case _:
                return False

    assert not lines_where(FOLDERS, is_loose)


def test_a_module_stays_readable() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in files(FOLDERS)}
    assert not {str(path): n for path, n in lengths.items() if n > MODULE_LINES_MAX}


def test_a_function_fits_a_screen() -> None:
    def is_long(node: ast.AST) -> bool:
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        lines = (getattr(node, "end_lineno", 0) or 0) - getattr(node, "lineno", 0)
        return isinstance(node, functions) and lines >= FUNCTION_LINES_MAX

    assert not lines_where(FOLDERS, is_long)


def test_every_module_says_what_it_is() -> None:
    silent = [
        path for path, tree in trees([*FOLDERS, "cli.py", "scripts"]) if not ast.get_docstring(tree)
    ]
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
