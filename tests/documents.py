"""Reading `docs/protocol/` as another implementation would, and the code that they describe.

Fenced `hex` blocks are bytes (what stands after two spaces explains them), tables are found by the
names of their columns, codes by the calls that make an error.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "protocol"

Row = dict[str, str]


def blocks(text: str) -> dict[str, bytes]:
    found = re.findall(r"^```hex (\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {
        name: b"".join(bytes.fromhex(line.partition("  ")[0]) for line in body.splitlines())
        for name, body in found
    }


def rows(text: str, *columns: str) -> list[Row]:
    """The rows of all tables that have these columns."""
    found: list[Row] = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        if set(columns) <= set(lines[0]):
            found += [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    return found


def words(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def number(cell: str) -> int:
    """`4,096`, `2^40` or `2^64 − 1`, whatever words follow."""
    power = re.match(r"2\^(\d+)( − 1)?", cell)
    if power:
        return (1 << int(power[1])) - (power[2] is not None)
    plain = re.match(r"[\d,]+", cell)
    assert plain, cell
    return int(plain[0].replace(",", ""))


def slug(heading: str) -> str:
    """As GitHub names the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def integers(module: str) -> dict[str, int]:
    """The public whole numbers that a module itself defines."""
    defined = re.findall(
        r"^([A-Z][A-Z0-9_]+)(?:: Final)? = ",
        (ROOT / f"{module.replace('.', '/')}.py").read_text(),
        re.MULTILINE,
    )
    values = vars(importlib.import_module(module))
    return {f"{module}.{name}": values[name] for name in defined if type(values[name]) is int}


def value_of(name: str) -> float:
    """Of a constant by its full name."""
    module, _, constant = name.rpartition(".")
    value: float = getattr(importlib.import_module(module), constant)
    return value


def quoted(text: str) -> dict[str, float]:
    """The bounds and the times in the tables of a document, by the constants they are of."""
    found: dict[str, float] = {}
    for row in rows(text, "at most", "in the code"):
        (name,) = words(row["in the code"])
        found[name] = number(row["at most"])
    for row in rows(text, "seconds", "in the code"):
        (name,) = words(row["in the code"])
        found[name] = float(row["seconds"].replace(",", ""))
    return found


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def constants(tree: ast.Module, name: str) -> Iterator[str]:
    """The text that a module gives to `name`."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))):
                if target == name:
                    yield text
            case _:
                continue


def codes_of(code: ast.expr, function: ast.FunctionDef | None, tree: ast.Module) -> Iterator[str]:
    """A constant; or `f"prefix-{code}"` in a function, for each constant that it is called with."""
    match code:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name):
            yield from constants(tree, name)
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), ast.FormattedValue()]):
            for call in ast.walk(tree):
                if function and isinstance(call, ast.Call) and called(call) == function.name:
                    for text in codes_of(call.args[0], None, tree):
                        yield prefix + text
        case _:
            raise AssertionError(f"line {code.lineno}: a code that this test cannot read")
