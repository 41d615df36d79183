"""Resolving, installing, removing and running modules."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar

from starlette.responses import Response

from crdt.blob import BlobId
from crdt.keys import NamespaceKey
from node.api.endpoint import Call, reads, writes
from node.api.install_models import (
    InstalledItem,
    InstalledList,
    InstallResult,
    InstallWanted,
    Outdated,
    OutdatedItem,
    PlannedPackage,
    PlanTold,
    Resolved,
    Uninstalled,
    UninstallWanted,
    Wanted,
)
from node.api.models import NoQuery, RunResult, RunWanted
from node.api.problems import ENCODER
from node.api.routes.advisories import finding_items
from node.api.story import NDJSON, Story, TellLine, Work, told
from node.api.values import given, shown
from node.config import InstallConfig
from node.scanner import Scanner
from node.services.advise import accept, refuse_malicious, risk_in, risk_warnings, risks_of
from node.services.install import Installer, Progress, Tell, install, outdated, uninstall
from node.services.places import place_meant, place_text
from node.services.resolve import Choice, Goal, make_goal
from node.services.run import run
from node.wiring import Node
from registry.advisory import Finding
from registry.changes import changes
from registry.listed import ModuleVersion, rfc3339
from registry.plan import new_imports

TOLD_EVERY: Final = 100
# Of the line that tells a plan. A command reads lines of 16 MiB.
PLAN_LINE_BYTES_MAX: Final = 8 << 20

AnyResolved = TypeVar("AnyResolved", bound=Resolved)
TellMore: TypeAlias = Callable[[Progress | PlanTold], None]


async def resolve(node: Node, call: Call[NoQuery, Wanted]) -> Resolved:
    """The plan of an installation: what would be added, moved and removed, and why it cannot be."""
    body, place = call.body, await _place(node, call.body)
    goal = await make_goal(
        node.store, body.requirements, body.lock, namespace=place, choice=_choice(body)
    )
    risks = await risks_of(node.store, node.identity.did, goal)
    return await _resolved(node, goal, risks, Resolved)


async def install_modules(
    node: Node, call: Call[NoQuery, InstallWanted]
) -> InstallResult | Response:
    """Install modules with their dependencies, all or nothing.

    With `Accept: application/x-ndjson` the answer is a line for each step, the last one
    `{"event": "result", …}` or `{"event": "error", …}`; with `tell_plan` one is the plan.
    """
    if NDJSON not in call.request.headers.get("accept", ""):
        return await _install(node, call.body, ignore)
    return Story(_story(node, call.body))


async def list_installed(node: Node, call: Call[NoQuery, None]) -> InstalledList:
    """What is installed on this node."""
    return InstalledList(
        tuple(
            InstalledItem(
                id=one.module,
                version=one.version,
                sha256=one.sha256,
                size=one.size,
                requested=one.is_requested,
                range=one.range,
                installed_at=rfc3339(one.installed_us),
                namespace=place_text(one.namespace),
            )
            for one in await node.store.installed_list()
        )
    )


async def uninstall_modules(node: Node, call: Call[NoQuery, UninstallWanted]) -> Uninstalled:
    """Remove modules and what only they needed; refused where others need one of them.

    `dry_run` only says which.
    """
    is_dry_run = call.body.dry_run
    async with node.installing:
        removed = await uninstall(node.store, call.body.ids, is_dry_run=is_dry_run)
    for one in removed if not is_dry_run else ():
        node.events.publish("uninstalled", one)
    return Uninstalled(removed, is_dry_run)


async def list_outdated(node: Node, call: Call[NoQuery, None]) -> Outdated:
    """Installed modules that have newer versions, within their ranges and beyond."""
    return Outdated(
        tuple(
            OutdatedItem(one.id, one.current, one.wanted, one.latest)
            for one in await outdated(node.store)
        )
    )


async def run_export(node: Node, call: Call[NoQuery, RunWanted]) -> RunResult:
    """Call an export of an installed module, in a child process with limits."""
    wanted = call.body
    args, types = given(wanted.args)
    outcome = await run(
        node.store,
        node.workers,
        wanted.id,
        wanted.version,
        wanted.export,
        args,
        wanted.fuel,
        types,
    )
    results = shown(outcome.types, outcome.results)
    duration_ms = round(outcome.duration_ms, 3)
    return RunResult(results, outcome.fuel_used, duration_ms, outcome.memory_bytes)


async def _place(node: Node, wanted: Wanted) -> NamespaceKey | None:
    return None if wanted.namespace is None else await place_meant(node.store, wanted.namespace)


async def _resolved(
    node: Node, goal: Goal, risks: Sequence[Finding], shape: type[AnyResolved]
) -> AnyResolved:
    blobs = {
        id: BlobId(bytes.fromhex(goal.release(id).blob)) for id in sorted(goal.resolution.versions)
    }
    here = await node.store.whole_blobs(list(blobs.values()))
    packages = [_planned(goal, id, is_here=blob in here) for id, blob in blobs.items()]
    warnings = (*await asyncio.to_thread(goal.warnings), *risk_warnings(risks))
    return shape(goal.plan, tuple(packages), warnings, finding_items(risks))


def _planned(goal: Goal, id: str, *, is_here: bool) -> PlannedPackage:
    release, before = goal.release(id), _before(goal, id)
    known = before.imports if before else () if id in goal.installed else None
    moved = changes(before, release) if before and before.version != release.version else None
    needs = goal.resolution.dependencies[id]
    bare = {need.rpartition("/")[2] for need in needs}
    return PlannedPackage(
        id=id,
        version=release.version,
        sha256=release.wasm_hash,
        blob=release.blob,
        size=release.wasm_size,
        dependencies=dict(needs),
        imports_new=new_imports(known, release.imports, {*needs, *bare}),
        cached=is_here,
        optional=tuple(
            one.module_id
            for one in release.dependencies
            if one.optional and one.module_id not in needs
        ),
        changes=moved,
        changes_words=moved.lines() if moved else (),
    )


def _choice(wanted: Wanted) -> Choice:
    return Choice(wanted.optional, wanted.without)


def _before(goal: Goal, id: str) -> ModuleVersion | None:
    """The version that is installed, where its author still lists it."""
    here = goal.installed.get(id)
    known = {str(one): one for one in goal.index.versions(id)}
    if here is None or here.version not in known:
        return None
    return goal.index.release(id, known[here.version])


async def _install(node: Node, wanted: InstallWanted, tell: TellMore) -> InstallResult:
    if node.installing.locked():
        tell(Progress("resolve", "", 0, 0, waits="another installation"))
    async with node.installing:
        place = await _place(node, wanted)
        goal = await make_goal(
            node.store, wanted.requirements, wanted.lock, frozen=wanted.frozen, namespace=place,
            choice=_choice(wanted), tell=partial(_tell_loaded, tell),
        )  # fmt: skip
        risks = await risks_of(node.store, node.identity.did, goal)
        if wanted.tell_plan:
            tell(await _resolved(node, goal, risks, PlanTold))
        accepting = accept(risks, wanted.accept_risk, risk_in(goal))
        refuse_malicious(accepting.found, goal)
        installer = Installer(
            node.store,
            node.workers,
            node.network,
            node.identity,
            node.clock_us,
            node.config.modules.count_installs,
            _scanner(node.config.install),
        )
        done = await install(installer, goal, tell, accepting.risks)
    for one in done.installed:
        node.events.publish("installed", one)
    for one in done.removed:
        node.events.publish("uninstalled", one)
    warnings = (
        *await asyncio.to_thread(goal.warnings),
        *risk_warnings(accepting.found),
        *accepting.warnings,
        *done.warnings,
    )
    return InstallResult(done.installed, done.removed, done.lock, warnings)


def _tell_loaded(tell: Tell, done: int, total: int) -> None:
    """Every hundredth module, and the last: most installations read only a few."""
    if done % TOLD_EVERY == 0 or (done == total and done > TOLD_EVERY):
        tell(Progress("resolve", "", done, total))


def _scanner(config: InstallConfig) -> Scanner | None:
    return Scanner(config.scanner, config.scanner_timeout_s) if config.scanner else None


def _story(node: Node, wanted: InstallWanted) -> Work:
    """The lines of an installation. Who stops reading stops it, before anything has changed."""

    async def work(tell: TellLine) -> InstallResult:
        def tell_more(line: Progress | PlanTold) -> None:
            tell(line_of(line))

        return await _install(node, wanted, tell_more)

    return told("an installation", work)


def line_of(line: Progress | PlanTold) -> bytes:
    """A plan that would be too long a line is told without its packages, and says so."""
    encoded = ENCODER.encode(line) + b"\n"
    if len(encoded) <= PLAN_LINE_BYTES_MAX or not isinstance(line, PlanTold):
        return encoded
    cut = f"what {len(line.packages):,} modules import and change is too much to be told here"
    return ENCODER.encode(PlanTold(line.plan, (), (f"{cut}; --dry-run shows it",))) + b"\n"


def ignore(line: Progress | PlanTold) -> None:
    """No one reads the story."""


ENDPOINTS = (
    writes(
        "/api/resolve", resolve, Resolved, body=Wanted, problems=(404,), is_replayable=False,
        access="read",
    ),
    writes(
        "/api/install", install_modules, InstallResult, body=InstallWanted, problems=(404, 504),
        is_replayable=False,
    ),
    reads("/api/installed", list_installed, InstalledList),
    writes(
        "/api/uninstall", uninstall_modules, Uninstalled, body=UninstallWanted, problems=(404,)
    ),
    reads("/api/outdated", list_outdated, Outdated),
    writes(
        "/api/run", run_export, RunResult, body=RunWanted, problems=(404,), is_replayable=False
    ),
)  # fmt: skip
