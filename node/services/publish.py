"""Publishing a module: every check first, then the blob, then one signed change.

    gen.toml ─▸ names ─▸ validator (child process) ─▸ resolve ─▸ statement ─▸ blob ─▸ change

Nothing is announced unless all of it held; `dry_run` stops before the blob.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crdt.keys import COMMONS, NamespaceKey
from node.errors import BadRequest, Fault, Rejected
from node.identity import Identity
from node.services.deleting import refuse_deleted
from node.services.load_index import Sources, load_index
from node.services.modules import LISTED, document_of, full_name, read_module
from node.services.resolve import solve
from node.services.signers import Signers
from node.workers.workers import Workers
from registry.errors import VersionExists, quoted
from registry.listed import Capability
from registry.manifest import Manifest, parse_manifest
from registry.names import ModuleName, parse_reference
from registry.needs import needs_of
from registry.publication import publish_version
from registry.statement import Artifact, Need, Release, sign_release
from registry.versions import parse_version, place_of
from registry.wasm.verdict import Policy, Verdict
from storage.store import Store

IMPORTS_SHOWN_MAX: Final = 5
"""In a message; the module's author knows the rest."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What an author hands in."""

    manifest: str
    wasm: bytes
    readme: str | None = None
    changelog: str = ""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, or would be: `entry` is None for a dry run."""

    module: ModuleName
    version: str
    artifact: Artifact
    verdict: Verdict
    needs: Mapping[str, Need]
    entry: bytes | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publisher:
    """What publishing needs of the node."""

    store: Store
    workers: Workers
    identity: Identity
    wasm_bytes_max: int
    clock_us: Callable[[], int]
    namespace: NamespaceKey = COMMONS
    record: str | None = None
    """Whose module it is a version of, as a person names it; None: this author's own."""

    @property
    def signers(self) -> Signers:
        return Signers(self.identity, self.store, self.clock_us)


async def publish(node: Publisher, given: Submission, *, dry_run: bool) -> Publication:
    """Raises `InvalidManifest`, `NotAllowed`, `VersionExists`, `Rejected`, `Unsolvable` …"""
    # Off the loop: the worst TOML that the limits allow takes a tenth of a second or more.
    manifest = await asyncio.to_thread(parse_manifest, given.manifest)
    name = await _name_of(node, manifest)
    document = document_of(name, node.namespace)
    signer = await node.signers.for_document(document)
    await refuse_deleted(node.store, document)
    await _refuse_known(node, name, manifest)
    needs = await _needs(node.store, name, manifest)
    verdict = await _validated(node, given.wasm, manifest, needs)
    await _resolve(node, needs)
    artifact = await asyncio.to_thread(Artifact.of, given.wasm)
    signed = sign_release(_release(name, manifest, artifact, needs, verdict), node.identity.device)
    edit = publish_version(
        manifest,
        signed,
        now_us=node.clock_us(),
        exports=[Capability(one.name, one.kind, one.type) for one in verdict.exports],
        changelog=given.changelog,
        readme=given.readme,
    )
    entry: bytes | None = None
    if not dry_run:
        blob = await node.store.put_blob(given.wasm)
        assert blob == artifact.blob, "a blob that is named by other bytes"
        committed = await node.store.commit(document, edit, signer)
        assert committed is not None, "a new version changes the document"
        entry = committed.id
    version, warnings = str(manifest.version), manifest.warnings
    return Publication(name, version, artifact, verdict, needs, entry, warnings)


async def _name_of(node: Publisher, manifest: Manifest) -> ModuleName:
    """This author's own module of that id, or somebody else's, who let them publish it."""
    if node.record is None:
        return ModuleName(node.identity.did, manifest.id)
    name = await full_name(node.store, parse_reference(node.record), node.namespace)
    if name.id != manifest.id:
        detail = f"gen.toml is of {manifest.id}, and so no version of {name}"
        raise BadRequest(detail, code="record-mismatch")
    return name


async def _refuse_known(node: Publisher, name: ModuleName, manifest: Manifest) -> None:
    """Early, before the long work; the edit looks again, inside its transaction."""
    row = await node.store.listing(LISTED, str(name.author), name.id, node.namespace)
    known = read_module(row).versions if row else ()
    place = place_of(manifest.version)
    if any(place_of(parse_version(one.version)) == place for one in known):
        raise VersionExists(
            f"{name} {manifest.version} is published, and a version never changes;"
            " raise the version in gen.toml"
        )


async def _needs(store: Store, name: ModuleName, manifest: Manifest) -> dict[str, Need]:
    """Dependencies under their full names: the petnames are this person's own, and stay here."""
    used = {one.reference.petname for one in manifest.dependencies}
    petnames = await store.authors_called([petname for petname in used if petname])
    return needs_of(manifest, str(name.author), petnames)


async def _validated(
    node: Publisher, wasm: bytes, manifest: Manifest, needs: dict[str, Need]
) -> Verdict:
    ids = {name.rpartition("/")[2] for name in needs}
    policy = Policy.for_manifest(
        manifest.imports, tuple(sorted({*needs, *ids})), size_bytes_max=node.wasm_bytes_max
    )
    verdict = await node.workers.validate(wasm, policy)
    if not verdict.ok:
        where = f" ({verdict.where})" if verdict.where else ""
        detail = f"{verdict.code}: {verdict.detail}{where}"
        raise Rejected(detail, code="invalid-wasm", faults=(Fault("/wasm", detail),))
    _refuse_optional(verdict, needs)
    return verdict


def _refuse_optional(verdict: Verdict, needs: dict[str, Need]) -> None:
    """Linking has no "if it is there": what may be absent cannot be imported from."""
    required = {name for name, need in needs.items() if not need.is_optional}
    given = required | {name.rpartition("/")[2] for name in required}
    optional = {*needs, *(name.rpartition("/")[2] for name in needs)} - given
    wrong = [one for one in verdict.imports if one.module in optional]
    if wrong:
        names = ", ".join(quoted(f"{one.module}.{one.name}") for one in wrong[:IMPORTS_SHOWN_MAX])
        more = f" and {len(wrong) - IMPORTS_SHOWN_MAX} more" * (len(wrong) > IMPORTS_SHOWN_MAX)
        detail = (
            f"import-optional: imports {names}{more} of a dependency that is optional, and may be"
            " absent; take `optional` from it in gen.toml, or do without the import"
        )
        raise Rejected(detail, code="invalid-wasm", faults=(Fault("/wasm", detail),))


async def _resolve(node: Publisher, needs: dict[str, Need]) -> None:
    """A module that nobody could install is not published."""
    wanted = {name: need.range for name, need in needs.items() if not need.is_optional}
    if wanted:
        await solve(await load_index(node.store, wanted, Sources(node.namespace)), wanted)


def _release(
    name: ModuleName,
    manifest: Manifest,
    artifact: Artifact,
    needs: dict[str, Need],
    verdict: Verdict,
) -> Release:
    return Release(
        module=name,
        version=str(manifest.version),
        artifact=artifact,
        imports=tuple(sorted({f"{one.module}.{one.name}" for one in verdict.imports})),
        dependencies=needs,
        checker=verdict.checker,
        features=verdict.features,
    )
