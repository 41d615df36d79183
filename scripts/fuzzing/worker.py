"""One target under atheris: `python -m scripts.fuzzing.worker NAME CORPUS [libFuzzer's options]`.

A process of its own, since the fuzzer ends the process when it has done.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from tests.fuzz.target import Target

OURS = ["crdt", "p2p", "registry", "storage"]
SLOWER = 10  # a call, where every branch of ours is counted
MEASURED_ONE_IN = 64  # calls whose memory is counted, which makes them up to ten times as slow


class Atheris(Protocol):
    """What is used of it; the package ships no types, and is not there for the type checkers."""

    def instrument_imports(self, include: list[str]) -> AbstractContextManager[None]: ...
    def Mutate(self, data: bytes, max_size: int) -> bytes: ...
    def Setup(
        self,
        argv: list[str],
        door: Callable[[bytes], None],
        *,
        custom_mutator: Callable[[bytes, int, int], bytes],
    ) -> object: ...
    def Fuzz(self) -> None: ...


def main(name: str, corpus: Path, options: list[str]) -> None:
    """Never returns: ends with 0, or with what libFuzzer ends with where something is found."""
    atheris = cast(Atheris, importlib.import_module("atheris"))
    with atheris.instrument_imports(include=OURS):
        known: Target = importlib.import_module("tests.fuzz.targets").BY_NAME[name]
    target, seeds = replace(known, seconds=SLOWER * known.seconds), known.seeds
    for seed in seeds:
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    calls = 0

    def door(data: bytes) -> None:
        nonlocal calls
        calls += 1
        target.call(data)
        if calls % MEASURED_ONE_IN == 0:
            target.measure(data)

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        random = Random(seed)
        if random.randrange(2):
            return target.mutate(data, random, seeds)[:size_max]
        return atheris.Mutate(data, size_max)

    size_max = f"-max_len={target.size_max}"
    atheris.Setup([sys.argv[0], size_max, *options, str(corpus)], door, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
