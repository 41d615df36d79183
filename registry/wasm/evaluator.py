"""The evaluator ABI `eval/1`: which modules judge genomes, and within what every one of them runs.

```
memory                                          one, exported, as large at its end as at its start
eval_abi() -> i32                               1
alloc(len: i32) -> i32                          where `len` bytes may be written
evaluate(ptr: i32, len: i32, seed: i64, ticks: i64) -> i64
                                                the result; -2^63: this genome is none it can judge
```
No imports. A memory that grows may fail to on one machine alone, so it does not. The bounds are
part of what an evaluation means: whoever changes one asks another question, in another ABI.
"""

from typing import Final

from registry.wasm.features import PINNED, feature_digest
from registry.wasm.sections import FunctionType, Outline

ABI: Final = 1
FUEL: Final = 20_000_000_000
"""Instructions, about: some ten seconds of plain arithmetic, minutes of what is dear."""
MEMORY_PAGES_MAX: Final = 1_024
"""64 MiB: everybody can spare that, whatever else runs."""
TABLES_MAX: Final = 1
TABLE_ELEMENTS_MAX: Final = 100_000
"""`table.grow` beyond gives -1 everywhere: what is within, 1.6 MB, every machine has."""
GENOME_BYTES_MAX: Final = 8 << 20
EVALUATOR_BYTES_MAX: Final = 4 << 20
"""Compiling takes up to 200 times what validating does; see docs/BENCHMARKS.md."""
FEATURES: Final = feature_digest(PINNED)

EXPORTS: Final = {
    "eval_abi": FunctionType((), ("i32",)),
    "alloc": FunctionType(("i32",), ("i32",)),
    "evaluate": FunctionType(("i32", "i32", "i64", "i64"), ("i64",)),
}


def evaluator_problem(outline: Outline) -> str | None:
    """Why a module is no evaluator, in words; None where it is one. Nothing of it has run."""
    if outline.imports:
        first = outline.imports[0]
        return f"imports {first.name!r} of {first.module!r}; an evaluator imports nothing"
    for name, wanted in EXPORTS.items():
        found = outline.signatures.get(name)
        if found is None:
            return f"exports no function {name!r}; an evaluator has {name}{wanted}"
        if found != wanted:
            return f"exports {name}{found}; an evaluator's is {name}{wanted}"
    if not any(each.name == "memory" and each.kind == "memory" for each in outline.exports):
        return "exports no memory named 'memory'"
    return _memory_problem(outline)


def _memory_problem(outline: Outline) -> str | None:
    if len(outline.memories) != 1:
        return f"has {len(outline.memories)} memories, not one"
    (memory,) = outline.memories
    if memory.least != memory.most:
        most = "without end" if memory.most is None else f"up to {memory.most} pages"
        return f"has a memory of {memory.least} pages that grows {most}; its least must be its most"
    if memory.least > MEMORY_PAGES_MAX:
        return f"has a memory of {memory.least} pages, at most {MEMORY_PAGES_MAX}"
    return None
