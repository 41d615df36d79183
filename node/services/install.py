"""Installing: plan, fetch, verify, try to compile, and only then one transaction.

    plan ─▸ for each new version: blob ─▸ hash, statement, device ─▸ scanner ─▸ valid here
         ─▸ compiles ─▸ for all: still signed so ─▸ apply_install (atomic)

Blobs are fetched ahead of the checks, of a few modules at most. Until that last step nothing that
is installed has changed, so a failure needs no undoing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
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
from node.services.fetch import IN_MEMORY_BYTES_MAX, hold_blob, read_held, waits_for
from node.services.load_index import load_index, modules_in, sources_of
from node.services.modules import find_module, version_of
from node.services.resolve import (
    Goal,
    chosen_before,
    find_installed,
    lock_for,
    marks_of,
    solve,
)
from node.services.signers import Signers
from node.services.verify import Stated, check_stated, stated_now
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

# Of modules that are fetched, and of those that are checked and so in memory: round trips to peers
# and the work of the child processes go on beside each other.
AT_ONCE: Final = 4
# Modules of which the bytes are here, or come, and no check has ended: the first that fails ends it
# for all, and what came of the others was for nothing.
AHEAD_MAX: Final = 16


class Progress(Struct, frozen=True, tag_field="event", tag="progress", omit_defaults=True):
    """One line of an installation's story. `done` of `total` are bytes, or 0 of 1 for a step; while
    it resolves, modules that were read.
    """

    stage: str
    id: str
    done: int
    total: int
    waits: str = ""
    """Why nobody is asked just now for what is fetched: it waits for a peer. While it
    resolves, what is to end before that begins."""


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
    """What changed, the lock that says so, and what came up that no plan warned of."""

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
    chosen = await _chosen(node, goal, [one.id for one in placed])
    warnings = await _prepare_all(node, goal, chosen, tell)
    await _refuse_changed(node.store, chosen)
    warnings += await _marked_meanwhile(node.store, goal, chosen)
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


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A version to be installed, with what is signed of it."""

    id: str
    module: Module
    version: ModuleVersion
    stated: Stated

    @property
    def blob(self) -> BlobId:
        return BlobId(bytes.fromhex(self.version.blob))

    @property
    def size_bytes_max(self) -> int:
        return min(self.version.wasm_size, IN_MEMORY_BYTES_MAX)


async def _chosen(node: Installer, goal: Goal, ids: Sequence[str]) -> Sequence[_Chosen]:
    """Raises `UnknownModule` or `UnknownVersion` for what has gone meanwhile."""
    modules = await modules_in(node.store, ids, goal.places)
    versions = [goal.release(id) for id in ids]
    named = [(one, version.version) for one, version in zip(modules, versions, strict=True)]
    stated = await stated_now(node.store, named)
    return [_Chosen(*one) for one in zip(ids, modules, versions, stated, strict=True)]


async def _refuse_changed(store: Store, chosen: Sequence[_Chosen]) -> None:
    """Of what was fetched and checked nothing may be signed otherwise by now. Raises `Unverified`,
    or `UnknownVersion`."""
    now = await stated_now(store, [(one.module, one.version.version) for one in chosen])
    for one, stated in zip(chosen, now, strict=True):
        if stated.signed != one.stated.signed or stated.signed.device not in stated.devices:
            what = f"{one.id} {one.version.version}"
            raise Unverified(f"what is signed of {what} has changed meanwhile; install again")


async def _marked_meanwhile(store: Store, goal: Goal, chosen: Sequence[_Chosen]) -> list[str]:
    """What was yanked or deprecated while it was fetched and checked is warned of, as in a plan.

    Raises `UnknownModule` or `UnknownVersion`.
    """
    modules = await modules_in(store, [one.id for one in chosen], goal.places)
    now = [version_of(at, one.version.version) for at, one in zip(modules, chosen, strict=True)]
    marks = [
        (marks_of(one.id, one.version), marks_of(one.id, by_now))
        for one, by_now in zip(chosen, now, strict=True)
    ]
    return [mark for before, after in marks for mark in after if mark not in before]


async def _prepare_all(
    node: Installer, goal: Goal, chosen: Sequence[_Chosen], tell: Tell
) -> list[str]:
    """A few at a time, and fetched ahead of what is checked, by `AHEAD_MAX` modules at most; what
    the scanner warns of.

    The first that fails ends it for all.
    """
    warnings: dict[str, list[str]] = {}
    scanning = asyncio.Lock()  # scanners are people's own scripts: one runs at a time
    held = {one.id: asyncio.Event() for one in chosen}
    ahead = asyncio.Semaphore(AHEAD_MAX)  # both go in order: what is checked next has its place

    async def fetch(one: _Chosen) -> None:
        await ahead.acquire()
        await _fetch(node, one, tell)
        held[one.id].set()

    async def check(one: _Chosen) -> None:
        await held[one.id].wait()
        warnings[one.id] = await _check(node, goal, one, tell, scanning)
        ahead.release()

    async def on_all(work: Callable[[_Chosen], Awaitable[None]]) -> None:
        await a_few_at_a_time(chosen, work, at_once=AT_ONCE, name=f"{work.__name__} modules")

    with ExitStack() as asked:
        for one in chosen:  # what is fetched and not read yet is let go by nobody
            asked.enter_context(node.store.asking(one.blob))
        await a_few_at_a_time((fetch, check), on_all, at_once=2, name="prepare modules")
    return [warning for one in chosen for warning in warnings[one.id]]


async def _fetch(node: Installer, one: _Chosen, tell: Tell) -> None:
    tell(Progress("fetch", one.id, 0, 1))

    def tell_fetched(done: int, total: int) -> None:
        tell(Progress("fetch", one.id, done, total, waits_for(node.network, one.blob)))

    await hold_blob(node.store, node.network, one.blob, one.size_bytes_max, tell_fetched)


async def _check(
    node: Installer, goal: Goal, one: _Chosen, tell: Tell, scanning: asyncio.Lock
) -> list[str]:
    """The version's bytes are the author's, pass the scanner, and run on this node.

    Gives what the scanner warns of.
    """
    tell(Progress("verify", one.id, 0, 1))
    wasm = await read_held(node.store, one.blob, size_bytes_max=one.size_bytes_max)
    checks = await check_stated(one.stated, wasm)
    if wrong := [check for check in checks if not check.ok]:
        faults = tuple(Fault(f"/{check.name}", check.detail) for check in wrong)
        what = f"{one.id} {one.version.version}"
        detail = f"{what} is not what its author signed: {wrong[0].detail}"
        raise Unverified(detail, faults=faults)
    warned: list[str] = []
    if node.scanner is not None:
        tell(Progress("scan", one.id, 0, 1))
        async with scanning:
            warned = await _scan(node.scanner, one.module, one.version, wasm)
    tell(Progress("compile", one.id, 0, 1))
    await _check_runnable(node.workers, goal, one.id, wasm)
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
