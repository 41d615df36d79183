"""How many of the inputs each target gets, and where what is found is kept."""

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.target import Target

SAMPLE = 60
COST_MIN_S = 20e-6  # what the fuzzer itself takes for an input


def share_out(targets: Sequence[Target], inputs: int) -> dict[str, int]:
    """So many inputs in all: of those that cost the sixteenfold, the eighth part.

    In equal numbers, the sessions would take all of the time; in equal time, they would get hardly
    any inputs.
    """
    weights = {target.name: max(cost_s(target), COST_MIN_S) ** -0.75 for target in targets}
    whole = sum(weights.values())
    return {name: math.ceil(inputs * weight / whole) for name, weight in weights.items()}


def cost_s(target: Target) -> float:
    """What a call takes on the average, in seconds."""
    inputs = target.inputs_of(Random(target.name), SAMPLE)
    started_s = time.thread_time()
    for data in inputs:
        target.call(data)
    return (time.thread_time() - started_s) / len(inputs)


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder that is kept from night to night: what reached new code, and what was found."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(base) / "panspermia" / "fuzz")

    @property
    def findings(self) -> Path:
        """A line for each: when, which target, what was raised, and the command that repeats it."""
        return self.root / "findings.txt"

    def corpus(self, name: str) -> Path:
        return self._folder("corpus", name)

    def crashes(self, name: str) -> Path:
        return self._folder("crashes", name)

    def _folder(self, *parts: str) -> Path:
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
