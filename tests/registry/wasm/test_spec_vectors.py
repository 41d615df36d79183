"""The modules of the WebAssembly specification's own tests: our verdicts agree with all of them."""

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from registry.wasm.engine import configuration
from registry.wasm.features import PINNED
from registry.wasm.limits import Limits
from registry.wasm.sections import read_outline
from registry.wasm.validate import Validator
from registry.wasm.verdict import Policy

# Version 3.0 of the specification: the pinned set and what it leaves out of the core.
CORE_3 = {
    **PINNED,
    "exceptions": True,
    "function_references": True,
    "gc": True,
    "memory64": True,
    "multi_memory": True,
    "relaxed_simd": True,
    "tail_call": True,
}
# The suite tries every name and memories up to the last page; our own limits have their own tests.
UNLIMITED = Limits(memory_pages=1 << 48)
NOT_NUMBERS = re.compile("v128|ref")
POLICY = Policy(imports=("*",), plain_names=False, limits=UNLIMITED)


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    wasm: bytes
    is_valid: bool
    is_valid_pinned: bool


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Case]:
    return list(read_cases(vectors / "wasm-spec"))


def read_cases(folder: Path) -> Iterator[Case]:
    """Only the core: rows of proposals follow other rules."""
    rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["files"]
    with zipfile.ZipFile(folder / "modules.zip") as archive:
        for row in rows:
            if row["proposal"] is None:
                yield Case(
                    row["file"],
                    archive.read(row["file"]),
                    row["expected"] == "valid",
                    row["wasmtime50"]["reduced"] == "valid",
                )


def test_verdicts_as_the_specification_has_them(cases: list[Case]) -> None:
    validator = Validator(CORE_3)
    verdicts = [(case, validator.validate(case.wasm, POLICY)) for case in cases]
    wrong = [case.file for case, verdict in verdicts if verdict.ok != case.is_valid]
    assert len(cases) > 2_500
    assert wrong == []


def test_the_pinned_set_refuses_what_it_leaves_out(cases: list[Case]) -> None:
    validator = Validator()
    verdicts = [(case, validator.validate(case.wasm, POLICY)) for case in cases]
    assert [case.file for case, verdict in verdicts if verdict.ok != case.is_valid_pinned] == []
    left_out = [verdict for case, verdict in verdicts if case.is_valid and not verdict.ok]
    named = [verdict for verdict in left_out if verdict.code == "feature-off"]
    # The rest is one rule that changed in 3.0 (constant expressions read more globals).
    assert len(left_out) > 300
    assert len(left_out) - len(named) <= 5


def test_outlines_as_wasmtime_has_them(cases: list[Case]) -> None:
    engine = wasmtime.Engine(configuration())
    compared = 0
    for case in cases:
        if case.is_valid_pinned and case.is_valid:
            outline = read_outline(case.wasm, UNLIMITED, plain_names=False)
            module = wasmtime.Module(engine, case.wasm)
            imports = [(each.module, each.name, each.kind) for each in outline.imports]
            exports = [(each.name, each.kind) for each in outline.exports]
            assert imports == [(each.module, each.name, kind(each.type)) for each in module.imports]
            assert exports == [(each.name, kind(each.type)) for each in module.exports]
            types: list[object] = [each.type for each in module.imports]
            types += [each.type for each in module.exports]
            ours = [each.type for each in outline.imports]
            ours += [each.type for each in outline.exports]
            for our, their in zip(ours, types, strict=True):
                # wasmtime-py 50 aborts the process when it is to name a vector or some references.
                if isinstance(their, wasmtime.FuncType) and not NOT_NUMBERS.search(our):
                    assert our == signature(their), case.file
                    compared += 1
    assert compared > 1_000


def kind(type: object) -> str:
    match type:
        case wasmtime.FuncType():
            return "function"
        case wasmtime.TableType():
            return "table"
        case wasmtime.MemoryType():
            return "memory"
        case wasmtime.GlobalType():
            return "global"
        case _:
            return "tag"


def signature(type: wasmtime.FuncType) -> str:
    params, results = ([str(each) for each in types] for types in (type.params, type.results))
    joined = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"({', '.join(params)}) -> {joined}"
