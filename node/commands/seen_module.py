"""A module of many: what is kept of its folder until its turn to be published comes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from node.commands.publish import ModuleFiles, read_module
from node.exit_codes import FAILED
from node.failure import failure


@dataclass(frozen=True, slots=True)
class SeenModule:
    """What stood in its folder when the order was made."""

    folder: Path
    id: str
    version: str
    needs: frozenset[str]
    size_bytes: int
    """Of its code."""
    digest: bytes
    """SHA-256 of all that is sent."""


def seen(module: ModuleFiles) -> SeenModule:
    size, digest = len(module.wasm), _digest(module)
    return SeenModule(module.folder, module.id, module.version, module.needs, size, digest)


def read_again(known: SeenModule) -> ModuleFiles:
    """Its files as they were. Raises `Failure` as `read_module`, or `files-changed`."""
    module = read_module(known.folder)
    if _digest(module) != known.digest:
        title = "Files were changed while they were published"
        detail = f"{known.folder}: its files are others than a moment ago; publish it again."
        raise failure("files-changed", title, detail, FAILED)
    return module


def _digest(module: ModuleFiles) -> bytes:
    hasher = hashlib.sha256()
    for part in (module.manifest.encode(), (module.readme or "").encode(), module.wasm):
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()
