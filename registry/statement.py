"""The release statement: what an author signs of one version, and how anybody checks it.

```
statement = canonical CBOR {
  "type": "panspermia.release/1",
  "module": "did:key:…/io.univrs.user", "version": "1.2.0",
  "sha256": 32 bytes, "blake3": 32 bytes, "size": bytes of the WASM, "blob": 32 bytes,
  "imports": ["env.memory", …]                      sorted, each once
  "dependencies": {"did:key:…/id": [range, is optional]},
  "checker": {"name": "wasmtime 50.0.1", "features": "…"}      who found it valid, and under what
}
signature = Ed25519 of the statement by a device of the author
```
It stands alone: with the statement, the signature and the device's delegation a file can be checked
that came from anywhere.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import blake3
import msgspec

from crdt import cbor
from crdt.blob import BlobId, manifest_of
from crdt.digest import DIGEST_BYTES
from crdt.ed25519 import SigningKey, verify_strict
from registry.comparators import RANGE_CHARACTERS_MAX
from registry.errors import InvalidStatement, RegistryError, quoted
from registry.names import ModuleName, parse_module_name
from registry.versions import parse_version
from registry.wasm.names import unsafe
from registry.wire import decoded

TYPE = "panspermia.release/1"
# With a readme, a changelog and the exports it must fit one change of 64 KiB; the largest seen, a
# module of 791 imports, takes 20 KiB.
STATEMENT_BYTES_MAX = 24 * 1024
SIZE_BYTES_MAX = 1 << 40  # a terabyte, as blobs
CHECKER_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file by its hashes."""

    sha256: bytes
    blake3: bytes
    size: int
    blob: BlobId

    @classmethod
    def of(cls, wasm: bytes) -> "Artifact":
        """Hashes the file: 10 MiB take some 40 ms."""
        return cls(
            hashlib.sha256(wasm).digest(),
            blake3.blake3(wasm).digest(),
            len(wasm),
            manifest_of(wasm).id,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency of a release: which versions, and whether it works without."""

    range: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """What a statement says."""

    module: ModuleName
    version: str
    artifact: Artifact
    imports: tuple[str, ...]
    dependencies: Mapping[str, Need]
    checker: str
    features: str


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A statement as it was signed."""

    statement: bytes
    signature: bytes
    device: bytes


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked, for a person."""

    name: str
    ok: bool
    detail: str


def encode_statement(release: Release) -> bytes:
    """Raises `InvalidStatement` where it would not be read back."""
    statement = cbor.encode(
        {
            "type": TYPE,
            "module": str(release.module),
            "version": release.version,
            "sha256": release.artifact.sha256,
            "blake3": release.artifact.blake3,
            "size": release.artifact.size,
            "blob": bytes(release.artifact.blob),
            "imports": sorted(set(release.imports)),
            "dependencies": {
                name: [need.range, need.is_optional] for name, need in release.dependencies.items()
            },
            "checker": {"name": release.checker, "features": release.features},
        }
    )
    decode_statement(statement)
    return statement


def decode_statement(statement: bytes) -> Release:
    """What was signed. Raises `InvalidStatement` for anything that is not exactly a statement."""
    what = "not a release statement"
    wire = decoded(
        statement, _Wire, InvalidStatement, what, bytes_max=STATEMENT_BYTES_MAX, depth_max=4
    )
    try:
        return _release(wire)
    except RegistryError as error:
        raise InvalidStatement(error.detail) from error


def sign_release(release: Release, device: SigningKey) -> SignedRelease:
    """Raises `InvalidStatement` where the release is too large to be stated."""
    statement = encode_statement(release)
    return SignedRelease(statement, device.sign(statement), device.public)


def verify_release(
    signed: SignedRelease,
    *,
    module: ModuleName,
    version: str,
    devices: Collection[bytes] | None = None,
    wasm: bytes | None = None,
) -> list[Check]:
    """Every check, passed or not; nothing raises.

    `devices` are those the author delegated to, where they are known; `wasm` is the file, where it
    is at hand.
    """
    try:
        release = decode_statement(signed.statement)
    except InvalidStatement as error:
        return [Check("statement", False, error.detail)]
    named = release.module == module and release.version == version
    said = f"it states {release.module} {release.version}"
    is_signed = verify_strict(signed.device, signed.signature, signed.statement)
    checks = [
        Check("statement", named, said if named else f"{said}, not {module} {version}"),
        Check("signature", is_signed, "Ed25519 by the device" if is_signed else "does not match"),
    ]
    if devices is not None:
        known = signed.device in devices
        checks.append(
            Check("device", known, "is one of the author's" if known else "is not the author's")
        )
    return checks if wasm is None else [*checks, *_file_checks(release.artifact, wasm)]


def _file_checks(stated: Artifact, wasm: bytes) -> list[Check]:
    found = Artifact.of(wasm)
    return [
        Check("size", found.size == stated.size, f"{found.size} bytes, {stated.size} stated"),
        _hash_check("sha256", found.sha256, stated.sha256),
        _hash_check("blake3", found.blake3, stated.blake3),
        _hash_check("blob", found.blob, stated.blob),
    ]


def _hash_check(name: str, found: bytes, stated: bytes) -> Check:
    ok = found == stated
    return Check(name, ok, found.hex() if ok else f"{found.hex()}, {stated.hex()} stated")


class _Checker(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    features: str


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    module: str
    version: str
    sha256: bytes
    blake3: bytes
    size: int
    blob: bytes
    imports: list[str]
    dependencies: dict[str, tuple[str, bool]]
    checker: _Checker


def _release(wire: _Wire) -> Release:
    if wire.type != TYPE:
        raise InvalidStatement(f"a statement of type {quoted(wire.type)}, not {TYPE}")
    if {len(wire.sha256), len(wire.blake3), len(wire.blob)} != {DIGEST_BYTES}:
        raise InvalidStatement(f"a hash has {DIGEST_BYTES} bytes")
    if not 0 < wire.size <= SIZE_BYTES_MAX:
        raise InvalidStatement(f"a file of {wire.size} bytes")
    if any(one >= other for one, other in zip(wire.imports, wire.imports[1:], strict=False)):
        raise InvalidStatement("the imports are not sorted, or one stands twice")
    if max(len(wire.checker.name), len(wire.checker.features)) > CHECKER_CHARACTERS_MAX:
        raise InvalidStatement(f"a checker of more than {CHECKER_CHARACTERS_MAX} characters")
    for text in (*wire.imports, wire.checker.name, wire.checker.features):
        if reason := unsafe(text):
            raise InvalidStatement(f"{quoted(text)} {reason}")
    module = parse_module_name(wire.module)
    if module.author is None:
        raise InvalidStatement("the module is named without its author")
    parse_version(wire.version)
    return Release(
        module=module,
        version=wire.version,
        artifact=Artifact(wire.sha256, wire.blake3, wire.size, BlobId(wire.blob)),
        imports=tuple(wire.imports),
        dependencies={
            name: _need(wire.module, name, *need) for name, need in wire.dependencies.items()
        },
        checker=wire.checker.name,
        features=wire.checker.features,
    )


def _need(module: str, name: str, range: str, is_optional: bool) -> Need:
    if parse_module_name(name).author is None:
        raise InvalidStatement(f"the dependency {quoted(name)} is named without its author")
    if name == module:
        raise InvalidStatement("the module depends on itself")
    if len(range) > RANGE_CHARACTERS_MAX:
        raise InvalidStatement(f"a range of {len(range)} characters")
    if not range.isascii() or unsafe(" ".join(range.split())):
        raise InvalidStatement(f"a range {quoted(range)}")
    return Need(range, is_optional)
