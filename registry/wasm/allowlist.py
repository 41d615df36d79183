"""Which imports a module may have: patterns `module.name`, where `*` stands for any run of text.

`env.memory` allows one import, `wasi_snapshot_preview1.*` a module's every name, `*` everything.
A dot may belong to the module (`wasi:cli/exit@0.2.3.exit`) or to the name (`gojs.runtime.exit`),
so a pattern is tried at each of its dots; `env.*` never reaches the module `env.evil`. An empty
list allows nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.errors import quoted
from registry.wasm.errors import BadPattern
from registry.wasm.names import unsafe

PATTERN_CHARACTERS_MAX = 256  # as long as a name in a manifest gets
PATTERNS_MAX = 256  # a module has at most 1,000 imports; 97 in practice
# What a host offers to any module, as the Gen Registry has it.
HOST_IMPORTS = ("env.memory", "wasi_snapshot_preview1.*")


@dataclass(frozen=True, slots=True)
class Allowlist:
    """Readable patterns, each a list of (module, name) globs."""

    globs: tuple[tuple[str, str], ...]

    def allows(self, module: str, name: str) -> bool:
        return any(
            matches(in_module, module) and matches(in_name, name)
            for in_module, in_name in self.globs
        )


def parse_allowlist(patterns: Iterable[str]) -> Allowlist:
    """Raises `BadPattern` that names the pattern."""
    globs: list[tuple[str, str]] = []
    for number, pattern in enumerate(patterns):
        if number >= PATTERNS_MAX:
            raise BadPattern(f"more than {PATTERNS_MAX} import patterns")
        globs += splits(pattern)
    return Allowlist(tuple(globs))


def splits(pattern: str) -> list[tuple[str, str]]:
    """Every way to read `pattern` as a module and a name."""
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise BadPattern(f"{quoted(pattern)} has over {PATTERN_CHARACTERS_MAX} characters")
    if reason := unsafe(pattern):
        raise BadPattern(f"{quoted(pattern)} {reason}")
    if pattern == "*":
        return [("*", "*")]
    dots = [at for at, character in enumerate(pattern) if character == "."]
    found = [(pattern[:at], pattern[at + 1 :]) for at in dots if 0 < at < len(pattern) - 1]
    if not found:
        raise BadPattern(f"{quoted(pattern)} is not “module.name”, e.g. “env.memory” or “env.*”")
    return found


def matches(glob: str, text: str) -> bool:
    """Whether `*` in `glob` can be filled to give `text`; linear, so no pattern can stall us."""
    first, *rest = glob.split("*")
    if not rest:
        return glob == text
    if not text.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(rest[-1]) and len(text) - len(rest[-1]) >= at
