"""Installing: plan, fetch, verify, try to compile, and only then one transaction.

    plan ─▸ for each new version: blob ─▸ hash, statement, device ─▸ scanner ─▸ valid here
         ─▸ compiles ─▸ apply_install (atomic)

Until that last step nothing that is installed has changed, so a failure needs no undoing.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.errors import CrdtError
from crdt.keys import AuthorKey, NamespaceKey
from node.errors import Conflict, Fault, NotAllowed, NotFound, Rejected, Unverified
from node.identity import Identity
from node.ports import Network
from node.scanner import Scanner, Subject
from node.services.a_few import a_few_at_a_time
from node.services.advise import refuse_malicious, risk_in, risks_of
from node.services.fetch import fetch_blob, waits_for
from node.services.load_index import load_index, sources_of
from node.services.modules import find_module
from node.services.resolve import (
    Goal,
    chosen_before,
    find_installed,
    lock_for,
    solve,
)
from node.services.signers import Signers
from node.services.verify import check_release
from node.workers.workers import Workers
from registry import module, ratings
from registry.errors import RegistryError, quoted
from registry.listed import Module, ModuleVersion
from registry.lockfile import Lock
from registry.names import parse_module_name
from registry.plan import Placed, needed_by
from registry.wasm.verdict import Policy
from storage.errors import StorageError
from storage.installed import AcceptedRisk, InstallChanges, Installed
from storage.store import Store

log = logging.getLogger(__name__)

# Of modules that are fetched and checked: a round trip to a peer and the work of the child process
# go on beside each other, and no more than so many modules are in memory.
AT_ONCE: Final = 4


class Progress(Struct, frozen=True, tag_field="event", tag="progress", omit_defaults=True):
    """One line of an installation's story. `done` of `total` are bytes, or 0 of 1 for a step; while
    it resolves, modules that were read.
    """

    stage: str
    id: str
    done: int
    total: int
    waits: str = ""
    """Why nobody is asked just now for what is fetched: it waits for a peer."""


Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Installer:
    """What installing needs of the node."""

    store: Store
    workers: Workers
    network: Network
    identity: Identity
    clock_us: Callable[[], int]
    counts_installs: bool
    scanner: Scanner | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What changed, the lock that says so, and what the scanner warns of."""

    installed: tuple[Placed, ...]
    removed: tuple[Placed, ...]
    lock: Lock
    warnings: tuple[str, ...] = ()


async def install(
    node: Installer, goal: Goal, tell: Tell, accepted: Sequence[AcceptedRisk] = ()
) -> Done:
    """Raises `Unreachable`, `Unverified` or `Rejected`; then nothing has changed.

    What was `accepted` is remembered with it. What is called malicious while modules are fetched
    and checked is not installed either.
    """
    placed = goal.plan.placed
    if placed:
        await node.workers.begin()  # they take as long to start as the first modules to come
    warnings = await _prepare_all(node, goal, [one.id for one in placed], tell)
    said = await risks_of(node.store, node.identity.did, goal)
    risk_of = risk_in(goal)
    refuse_malicious((one for one in said if risk_of(one) not in accepted), goal)
    tell(Progress("apply", "", 0, 1))
    await node.store.apply_install(_changes(goal, node.clock_us(), accepted))
    if node.counts_installs:
        for one in goal.plan.add:
            await _count(node, one.id, goal.places[one.id])
    return Done(placed, goal.plan.remove, lock_for(goal), tuple(warnings))


async def uninstall(
    store: Store, names: tuple[str, ...], *, is_dry_run: bool = False
) -> tuple[Placed, ...]:
    """Removes them and what only they needed. Raises `Conflict` where others still need one."""
    found = await find_installed(store, names)
    if missing := [name for name in names if name not in found]:
        raise NotFound(f"not installed: {', '.join(missing)}", code="not-installed")
    installed = {one.module: one for one in await store.installed_list()}
    gone = {one.module for one in found.values()}
    if askers := needed_by({id: one.dependencies for id, one in installed.items()}, gone):
        faults = tuple(
            Fault("/ids", f"{id} is needed by {', '.join(others)}") for id, others in askers.items()
        )
        candidates = tuple(sorted({other for others in askers.values() for other in others}))
        detail = "; ".join(fault.detail for fault in faults)
        raise Conflict(detail, code="still-needed", faults=faults, candidates=candidates)
    gone |= _orphans({id: one for id, one in installed.items() if id not in gone})
    if not is_dry_run:
        await store.apply_install(InstallChanges(remove=sorted(gone)))
    return tuple(Placed(id, installed[id].version) for id in sorted(gone))


@dataclass(frozen=True, slots=True)
class Newer:
    """An installed module that could move: within its ranges to `wanted`, else to `latest`."""

    id: str
    current: str
    wanted: str
    latest: str


async def outdated(store: Store) -> tuple[Newer, ...]:
    """What a plain update would move, and what only a new range would."""
    installed = {one.module: one for one in await store.installed_list()}
    roots = {id: one.range for id, one in installed.items() if one.is_requested}
    options = chosen_before(installed.values(), Lock())
    index = await load_index(store, roots, sources_of(installed), options)
    try:
        wanted = {id: str(v) for id, v in (await solve(index, roots)).versions.items()}
    except RegistryError:
        wanted = {}  # a range that nothing meets any more: what is here is the best there is
    found: list[Newer] = []
    for id, one in sorted(installed.items()):
        latest = await _latest(store, one)
        newer = Newer(id, one.version, wanted.get(id, one.version), latest)
        if {newer.wanted, newer.latest} != {one.version}:
            found.append(newer)
    return tuple(found)


async def _latest(store: Store, one: Installed) -> str:
    try:
        return (await find_module(store, one.module, one.namespace)).latest_version
    except RegistryError:
        return one.version


async def _prepare_all(node: Installer, goal: Goal, ids: Sequence[str], tell: Tell) -> list[str]:
    """A few at a time, so that one is fetched while another is checked; what the scanner warns of.

    The first that fails ends it for all.
    """
    warnings: dict[str, list[str]] = {}
    scanning = asyncio.Lock()  # scanners are people's own scripts: one runs at a time

    async def prepare(id: str) -> None:
        warnings[id] = await _prepare(node, goal, id, tell, scanning)

    await a_few_at_a_time(ids, prepare, at_once=AT_ONCE, name="prepare modules")
    return [warning for id in ids for warning in warnings[id]]


async def _prepare(
    node: Installer, goal: Goal, id: str, tell: Tell, scanning: asyncio.Lock
) -> list[str]:
    """The version's bytes are here, are the author's, pass the scanner, and run on this node.

    Gives what the scanner warns of.
    """
    version = goal.release(id)
    blob = BlobId(bytes.fromhex(version.blob))
    tell(Progress("fetch", id, 0, 1))

    def tell_fetched(done: int, total: int) -> None:
        tell(Progress("fetch", id, done, total, waits_for(node.network, blob)))

    wasm = await fetch_blob(
        node.store, node.network, blob, tell_fetched, size_bytes_max=version.wasm_size
    )
    tell(Progress("verify", id, 0, 1))
    module = await find_module(node.store, id, goal.places[id])
    checks = await check_release(node.store, module, version, wasm)
    if wrong := [check for check in checks if not check.ok]:
        faults = tuple(Fault(f"/{check.name}", check.detail) for check in wrong)
        detail = f"{id} {version.version} is not what its author signed: {wrong[0].detail}"
        raise Unverified(detail, faults=faults)
    warned: list[str] = []
    if node.scanner is not None:
        tell(Progress("scan", id, 0, 1))
        async with scanning:
            warned = await _scan(node.scanner, module, version, wasm)
    tell(Progress("compile", id, 0, 1))
    await _check_runnable(node.workers, goal, id, wasm)
    return warned


async def _scan(scanner: Scanner, module: Module, version: ModuleVersion, wasm: bytes) -> list[str]:
    """What it warns of. Raises `Rejected` where it denies, or gives no verdict."""
    what = f"{module.full_name} {version.version}"
    subject = Subject(
        module=module.full_name,
        version=version.version,
        author=module.author_did,
        sha256=version.wasm_hash,
        size=version.wasm_size,
        imports=version.imports,
        exports=tuple(one.name for one in version.capabilities),
        dependencies={one.module_id: one.version_requirement for one in version.dependencies},
        license=module.license,
    )
    said = await scanner.scan(subject, wasm)
    reasons = "; ".join(map(quoted, said.reasons)) or "it gave no reason"
    if said.verdict == "deny":
        faults = tuple(Fault("/scanner", quoted(reason)) for reason in said.reasons)
        detail = f"the scanner denies {what}: {reasons}. Nothing was installed."
        raise Rejected(detail, code="scanner-denied", faults=faults)
    return [f"the scanner warns of {what}: {reasons}"] if said.verdict == "warn" else []


async def _check_runnable(workers: Workers, goal: Goal, id: str, wasm: bytes) -> None:
    """Valid under this node's own checker, imports only what a node offers, and compiles."""
    version, needs = goal.release(id), goal.resolution.dependencies[id]
    names = tuple(sorted({*needs, *(need.rpartition("/")[2] for need in needs)}))
    verdict = await workers.validate(wasm, Policy(dependencies=names))
    if not verdict.ok:
        detail = f"{id} {version.version} does not run here: {verdict}"
        raise Rejected(detail, code="not-runnable", faults=(Fault("/wasm", verdict.detail),))
    compiled = await workers.compile(wasm)
    if not compiled.ok:
        detail = f"{id} {version.version} does not compile here: {compiled.detail}"
        raise Rejected(detail, code="not-runnable", faults=(Fault("/wasm", compiled.code),))


def _changes(goal: Goal, now_us: int, accepted: Sequence[AcceptedRisk]) -> InstallChanges:
    put: list[Installed] = []
    for id in sorted(goal.resolution.versions):
        release, before = goal.release(id), goal.installed.get(id)
        is_same = before is not None and before.version == release.version
        put.append(
            Installed(
                module=id,
                version=release.version,
                sha256=release.wasm_hash,
                blob=BlobId(bytes.fromhex(release.blob)),
                size=release.wasm_size,
                is_requested=id in goal.everything,
                range=goal.everything.get(id, ""),
                dependencies=goal.resolution.dependencies[id],
                installed_us=before.installed_us if before and is_same else now_us,
                namespace=goal.places[id],
            )
        )
    return InstallChanges(put, [one.id for one in goal.plan.remove], accepted)


def _orphans(installed: dict[str, Installed]) -> set[str]:
    """What nobody asked for and nothing that stays needs."""
    needed: set[str] = set()
    pending = [id for id, one in installed.items() if one.is_requested]
    while pending:
        id = pending.pop()
        if id in installed and id not in needed:
            needed.add(id)
            pending.extend(installed[id].dependencies)
    return installed.keys() - needed


async def _count(node: Installer, id: str, namespace: NamespaceKey) -> None:
    """Only where the person opted in: it tells what they run. What failed is not counted later."""
    name = parse_module_name(id)
    author = AuthorKey(decode_did_key(node.identity.did))
    document = DocumentId(namespace, author, ratings.CLASS, module.KIND, ratings.record_of(name))
    try:
        signer = await Signers(node.identity, node.store, node.clock_us).for_document(document)
        count = ratings.count_install(now_us=node.clock_us())
        await node.store.commit(document, count, signer)
    except (CrdtError, NotAllowed, StorageError) as error:  # it is installed all the same
        log.warning("the installation of %s is not counted: %s", id, error)
