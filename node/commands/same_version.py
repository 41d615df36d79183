"""Whether a version that is published already is what lies in a folder.

A version states its code and what it needs; the words are the module's, of whichever version was
published last. An allowlist is published nowhere: it has to allow what the version imports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from node.client import module_path, path_of
from node.commands.console import node
from node.commands.publish import ModuleFiles
from node.exit_codes import FAILED
from node.failure import Failure, Json, failure

if TYPE_CHECKING:
    from registry.manifest import Manifest

WORDS = ("name", "description", "license")


@dataclass(frozen=True, slots=True)
class Compared:
    """A version that is published, and what is otherwise in a folder."""

    name: str
    """In full, `did/id`."""
    sha256: str
    differs: tuple[str, ...]


def compared(module: ModuleFiles, namespace: str) -> Compared | Failure:
    """With this author's own version of that number; else why nobody can tell."""
    from registry.errors import RegistryError

    client = node()
    try:
        author: str = client.get("/api/status")["did"]
        name = f"{author}/{module.id}"
        place = None if namespace == "commons" else namespace
        there = client.get(module_path(name, namespace=place))
        called = petnames_in(module)
        names = {one: client.get(path_of("/api/names", one))["author"] for one in called}
        differs = differences(module, there, author, names)
    except RegistryError as error:
        return failure(error.code, "This cannot be compared", error.detail, FAILED)
    except Failure as failed:
        return failed
    return Compared(name, hashlib.sha256(module.wasm).hexdigest(), tuple(differs))


def petnames_in(module: ModuleFiles) -> list[str]:
    """By which its gen.toml names what it needs. Raises `RegistryError`."""
    from registry.manifest import parse_manifest

    used = {one.reference.petname for one in parse_manifest(module.manifest).dependencies}
    return sorted(name for name in used if name is not None)


def differences(
    module: ModuleFiles, there: Json, author: str, petnames: Mapping[str, str]
) -> list[str]:
    """What differs, as gen.toml calls it; nothing where publishing it again would say nothing new.

    `there` is the module as the node shows it, `author` a did:key, `petnames` name → did:key.
    Raises `RegistryError` for a manifest that is none.
    """
    from registry.manifest import parse_manifest

    manifest = parse_manifest(module.manifest)
    versions = {one["version"]: one for one in there["versions"]}
    if (version := versions.get(str(manifest.version))) is None:
        return ["version"]
    found: list[str] = []
    if version["wasm_hash"] != hashlib.sha256(module.wasm).hexdigest():
        found.append("wasm")
    needs = _needs(manifest, author, petnames)
    stated = {
        one["module_id"]: (one["version_requirement"], one.get("optional", False))
        for one in version["dependencies"]
    }
    if needs != stated:
        found.append("dependencies")
    if not _allows(manifest, version["imports"], stated):
        found.append("capabilities")
    if version is _published_last(versions):
        found += _other_words(module, manifest, there)
    return found


def _needs(
    manifest: Manifest, author: str, petnames: Mapping[str, str]
) -> dict[str, tuple[str, bool]]:
    from registry.needs import needs_of

    needs = needs_of(manifest, author, petnames)
    return {name: (need.range, need.is_optional) for name, need in needs.items()}


def _allows(manifest: Manifest, imports: Sequence[str], needs: Mapping[str, object]) -> bool:
    """Each import is `module.name`, and any of its dots may be the one between the two."""
    from registry.wasm.allowlist import parse_allowlist

    allowlist = parse_allowlist(manifest.imports)
    needed = {*needs, *(name.rpartition("/")[2] for name in needs)}

    def is_allowed(imported: str) -> bool:
        dots = [at for at, character in enumerate(imported) if character == "."]
        return any(
            imported[:at] in needed or allowlist.allows(imported[:at], imported[at + 1 :])
            for at in dots
        )

    return all(map(is_allowed, imports))


def _published_last(versions: Mapping[str, Any]) -> Json:
    last: Json = max(versions.values(), key=lambda one: datetime.fromisoformat(one["published_at"]))
    return last


def _other_words(module: ModuleFiles, manifest: Manifest, there: Json) -> list[str]:
    found = [word for word in WORDS if there[word] != getattr(manifest, word)]
    if set(there["tags"]) != set(manifest.tags):
        found.append("tags")
    if module.readme is not None and there.get("readme", "") != module.readme:
        found.append("readme")
    return found
