"""The modules that come with Panspermia: small, of our own, and dependent on one another.

`census` seeds a soup of `life` with `rng` and names the world that is left with `digest`. Each is a
folder as anyone would publish it: `gen.toml`, the text (`.wat`), the module made from it, a readme.
"""

from pathlib import Path

# Dependencies first, so that each can be published when its turn comes.
MODULES = (
    "io.panspermia.rng",
    "io.panspermia.life",
    "io.panspermia.digest",
    "io.panspermia.census",
)


def folders() -> tuple[Path, ...]:
    """The modules' folders, dependencies first."""
    return tuple(Path(__file__).parent / name for name in MODULES)
