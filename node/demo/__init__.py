"""The modules that come with Panspermia: small, of our own, and dependent on one another.

`census` seeds a soup of `life` with `rng` and names the world that is left with `digest`. Each is a
folder as anyone would publish it: `gen.toml`, the text (`.wat`), the module made from it, a readme.

Beside them two evaluators (`registry.wasm.evaluator`), whose text is AssemblyScript (`.ts`): every
node has the same bytes of them, so that everybody's attestations are of the same evaluations. And
two creatures for the demo: a pattern in RLE, and the settings of a world of Primordium's.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import blake3

from registry.manifest import parse_manifest

# Dependencies first, so that each can be published when its turn comes.
MODULES = (
    "io.panspermia.rng",
    "io.panspermia.life",
    "io.panspermia.digest",
    "io.panspermia.census",
)
CREATURES = ("diehard.rle", "quiet-pond.toml")
EVALUATORS = ("io.panspermia.life-score", "io.panspermia.forager")


@dataclass(frozen=True, slots=True)
class Bundled:
    """An evaluator that every node has."""

    id: str
    version: str
    blake3: bytes
    wasm: bytes
    description: str
    readme: str
    """Markdown."""


def folders() -> tuple[Path, ...]:
    """The modules' folders, dependencies first."""
    return tuple(Path(__file__).parent / name for name in MODULES)


def creature_files() -> tuple[Path, ...]:
    """A genome and a seed, as anyone would publish them."""
    return tuple(Path(__file__).parent / "creatures" / name for name in CREATURES)


def evaluator_folders() -> tuple[Path, ...]:
    """The evaluators' folders."""
    return tuple(Path(__file__).parent / name for name in EVALUATORS)


@cache
def evaluators() -> tuple[Bundled, ...]:
    """Read once: some 15 KiB."""
    found: list[Bundled] = []
    for folder in evaluator_folders():
        manifest = parse_manifest((folder / "gen.toml").read_text(encoding="utf-8"))
        wasm = (folder / manifest.wasm).read_bytes()
        digest = blake3.blake3(wasm).digest()
        readme = (folder / manifest.readme).read_text(encoding="utf-8") if manifest.readme else ""
        version = str(manifest.version)
        found.append(Bundled(manifest.id, version, digest, wasm, manifest.description, readme))
    return tuple(found)
