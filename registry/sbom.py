"""A bill of materials of a lock file: CycloneDX 1.6, as tools that watch supply chains read it.

The same lock gives the same bytes: no date, and a serial number that is made of the lock itself.
Source: https://cyclonedx.org/docs/1.6/json/
"""

import uuid
from typing import Any

import blake3

from registry.lockfile import Lock, LockedPackage, write_lock

SPEC = "1.6"
ROOT = "panspermia.lock"


def sbom_of(lock: Lock) -> dict[str, Any]:
    """The document, for JSON. A package's `bom-ref` is its full name and version."""
    refs = {one.id: _ref(one) for one in lock.packages}
    digest = blake3.blake3(write_lock(lock).encode()).digest()
    edges = [(ROOT, sorted(lock.requirements))]
    edges += [(refs[one.id], sorted(one.dependencies)) for one in lock.packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": ROOT, "bom-ref": ROOT}},
        "components": [_component(one) for one in lock.packages],
        "dependencies": [
            {"ref": ref, "dependsOn": [refs[id] for id in needs]} for ref, needs in edges
        ],
    }


def _component(one: LockedPackage) -> dict[str, Any]:
    id = one.id.rpartition("/")[2]
    return {
        "type": "library",
        "bom-ref": _ref(one),
        "group": one.author,
        "name": id,
        "version": one.version,
        "publisher": one.author,
        "mime-type": "application/wasm",
        "purl": _purl(one, id),
        "hashes": [{"alg": "SHA-256", "content": one.sha256}],
        "properties": [{"name": "panspermia:blob", "value": one.blob}],
    }


def _ref(one: LockedPackage) -> str:
    return f"{one.id}@{one.version}"


def _purl(one: LockedPackage, id: str) -> str:
    """Of no registry that purl knows: a generic one. Source: package-url/purl-spec."""
    namespace = one.author.replace(":", "%3A")
    version = one.version.replace("+", "%2B")
    return f"pkg:generic/{namespace}/{id}@{version}?checksum=sha256:{one.sha256}"
