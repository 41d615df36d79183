"""A module's document: what it looks like to readers, whoever wrote it.

```
head      name, description, license, readme, created_us                    texts; µs since 1970
tags      {tag: nonce}
versions  {version: {statement, signature, device,                          bytes, signed once
                     published_us, changelog, exports,                      exports: CBOR
                     yanked?, deprecated?}}                                 the reason, "" for none
```
Everything a version states stands in its signed statement and nowhere else, so the two cannot
disagree (docs/decisions/0012). `publication.py` makes the edits.

Documents come from strangers: `module_of` raises `MalformedRecord` and nothing else. A version that
cannot be read is left out and named in `problems`; the others stand.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.ed25519 import SIGNATURE_BYTES
from crdt.errors import Malformed
from crdt.keys import KEY_BYTES
from registry.errors import InvalidVersion, MalformedRecord, RegistryError, quoted
from registry.fields import Plain, bytes_at, line_at, map_at, map_of, text_at, time_at, typed
from registry.head import head_of
from registry.listed import (
    Capability,
    Module,
    ModuleDependency,
    ModuleVersion,
    ReleaseVerdict,
    rfc3339,
)
from registry.names import ModuleName, parse_id
from registry.statement import Release, SignedRelease, decode_statement
from registry.versions import Version, newest, parse_version, place_of
from registry.wasm.names import unsafe
from storage.listing import NamedBlob

CLASS, KIND = "pub", "mod"

CHANGELOG_BYTES_MAX = 4 * 1024
EXPORTS_BYTES_MAX = 8 * 1024
EXPORTS_MAX = 256  # the largest module exports 75,000; beyond this nobody reads on
REASON_CHARACTERS_MAX = 500
VERSIONS_MAX = 1_000  # a document takes 2,000 changes
# Every list and search reads them all: 1,000 plain versions are under 1 MB, full ones would be 40.
VERSIONS_BYTES_MAX = 4 << 20
PROBLEMS_MAX = 32


@dataclass(frozen=True, slots=True)
class _Reading:
    """One version that could be read."""

    version: Version
    published_us: int
    size_bytes: int  # of its fields that have no fixed size
    shown: ModuleVersion


def module_name_of(document: DocumentId) -> ModuleName:
    """Whose module the document is, and which. Raises `MalformedRecord`."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not of a module")
    try:
        id = parse_id(document.record.decode("ascii"))
    except (UnicodeDecodeError, RegistryError) as error:
        raise MalformedRecord(f"a module under a record that is no id: {error}") from error
    return ModuleName(encode_did_key(document.subspace), id)


def module_of(document: DocumentId, value: Plain) -> Module:
    """The module as people see it. Downloads and rating are the caller's to add.

    Raises `MalformedRecord` where the head cannot be read or no version is left.
    """
    name = module_name_of(document)
    head, versions = head_of(value, "readme"), map_at(value, "versions")
    problems: list[str] = []
    readings = _readings(name, versions, problems)
    if not readings:
        first = f": {problems[0]}" if problems else ""
        raise MalformedRecord(f"{name} has no version that can be read{first}")
    latest = _latest(readings)
    return Module(
        id=name.id,
        name=head.name or name.id.rpartition(".")[2],
        description=head.description,
        author_did=str(name.author),
        license=head.license,
        tags=head.tags,
        versions=tuple(each.shown for each in readings),
        latest_version=latest.version,
        created_at=rfc3339(head.created_us),
        updated_at=rfc3339(max(head.created_us, *(each.published_us for each in readings))),
        dependencies=latest.dependencies,
        readme=head.card,
        problems=tuple(problems[:PROBLEMS_MAX]),
    )


def created_and_updated_us(module: Module, value: Plain) -> tuple[int, int]:
    """When the module first and last changed, of a value that `module_of` could read."""
    created_us = time_at(map_at(value, "head"), "created_us")
    shown = {each.version for each in module.versions}
    versions = map_at(value, "versions")
    return created_us, max(
        created_us, *(time_at(versions[version], "published_us") for version in shown)
    )


def blobs_of(module: Module, value: Plain) -> tuple[NamedBlob, ...]:
    """Each once, as the newest version that names it says; of a value as above."""
    versions = map_at(value, "versions")
    last = {one.blob: one for one in module.versions}
    return tuple(
        NamedBlob(one.blob, one.wasm_size, time_at(versions[one.version], "published_us"))
        for one in last.values()
    )


def signed_release_of(value: Plain, version: str) -> SignedRelease | None:
    """The statement of one version as it was signed, for `verify_release`; None without one.

    Raises `MalformedRecord` where it is there but is no statement at all.
    """
    fields = map_at(value, "versions").get(version)
    return None if fields is None else _signed(map_of(fields, f"version {quoted(version)}"))


def _readings(name: ModuleName, versions: Plain, problems: list[str]) -> list[_Reading]:
    """The readable versions, ascending; of two that differ in build metadata the first by text."""
    by_place: dict[Any, _Reading] = {}
    for text in sorted(versions):
        try:
            reading = _reading(name, text, map_of(versions[text], "it"))
        except (MalformedRecord, InvalidVersion) as error:
            problems.append(f"version {quoted(text)}: {error.detail}")
            continue
        first = by_place.setdefault(place_of(reading.version), reading)
        if first is not reading:
            problems.append(f"version {quoted(text)}: is {first.version} with other metadata")
    readings = sorted(by_place.values(), key=lambda each: each.version)
    shown = _fitting(readings)
    if len(shown) < len(readings):
        problems.insert(0, f"{len(readings) - len(shown)} old versions are not shown")
    return shown


def _fitting(readings: list[_Reading]) -> list[_Reading]:
    """As many of the newest as a list can hold."""
    sizes = itertools.accumulate(each.size_bytes for each in reversed(readings))
    count = sum(1 for size_bytes in sizes if size_bytes <= VERSIONS_BYTES_MAX)
    return readings[-min(count, VERSIONS_MAX) :] if readings else []


def _reading(name: ModuleName, text: str, fields: Plain) -> _Reading:
    version = parse_version(text)
    signed = _signed(fields)
    try:
        release = decode_statement(signed.statement)
    except RegistryError as error:
        raise MalformedRecord(error.detail) from error
    if (release.module, release.version) != (name, text):
        raise MalformedRecord(f"its statement is of {release.module} {release.version}")
    published_us = time_at(fields, "published_us")
    shown = _shown(signed, release, fields, published_us)
    size_bytes = sum(len(fields.get(key, b"")) for key in ("statement", "exports", "changelog"))
    return _Reading(version, published_us, size_bytes, shown)


def _shown(
    signed: SignedRelease, release: Release, fields: Plain, published_us: int
) -> ModuleVersion:
    return ModuleVersion(
        version=release.version,
        published_at=rfc3339(published_us),
        wasm_hash=release.artifact.sha256.hex(),
        blake3=release.artifact.blake3.hex(),
        blob=release.artifact.blob.hex(),
        wasm_size=release.artifact.size,
        changelog=text_at(fields, "changelog", CHANGELOG_BYTES_MAX),
        signature=signed.signature.hex(),
        device=encode_did_key(signed.device),
        capabilities=tuple(_exports(fields)),
        imports=release.imports,
        dependencies=tuple(
            ModuleDependency(module, need.range, need.is_optional)
            for module, need in release.dependencies.items()
        ),
        deprecated="deprecated" in fields,
        deprecation=line_at(fields, "deprecated", REASON_CHARACTERS_MAX),
        yanked="yanked" in fields,
        yank_reason=line_at(fields, "yanked", REASON_CHARACTERS_MAX),
        verdict=ReleaseVerdict(release.checker, release.features),
    )


def _signed(fields: Plain) -> SignedRelease:
    signature = bytes_at(fields, "signature", SIGNATURE_BYTES)
    return SignedRelease(
        typed(fields.get("statement"), bytes, "its statement"),
        signature,
        bytes_at(fields, "device", KEY_BYTES),
    )


def _exports(fields: Plain) -> Iterator[Capability]:
    """What the module offers, as its author's node read it; nothing where that cannot be read."""
    try:
        encoded = typed(fields.get("exports", b""), bytes, "exports")
        if encoded:
            rows = cbor.decode(encoded, bytes_max=EXPORTS_BYTES_MAX, depth_max=2)
            for name, kind, signature in msgspec.convert(rows, list[tuple[str, str, str]]):
                if reason := unsafe(name) or unsafe(kind) or unsafe(signature):
                    raise MalformedRecord(f"its export {quoted(name)} {reason}")
                yield Capability(name, kind, signature)
    except (Malformed, msgspec.ValidationError) as error:
        raise MalformedRecord(f"its exports cannot be read: {error}") from error


def _latest(readings: list[_Reading]) -> ModuleVersion:
    """The newest that was not yanked, else the newest."""
    kept = [each for each in readings if not each.shown.yanked] or readings
    best = newest(each.version for each in kept)
    return next(each.shown for each in kept if each.version is best)
