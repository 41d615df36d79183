"""From what somebody asks for to a plan: names, then versions, then what would change here.

What is installed and was not mentioned stays where it is, as far as the rest allows; what is
mentioned moves to the newest version that fits, unless the lock names one.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import msgspec

from crdt.keys import COMMONS, NamespaceKey
from node.errors import BadRequest, Conflict, Fault, Unverified
from node.services.load_index import Loaded, Sources, load_index, nobody, row_of, sources_of
from node.services.modules import full_name, read_module
from node.services.names import written_name
from registry.circles import told_circles
from registry.listed import ModuleVersion
from registry.lockfile import Lock, LockedPackage, check_lock, lock_of
from registry.module_index import ModuleIndex, optional_in
from registry.names import ModuleName, parse_module_name, parse_requirement
from registry.plan import Plan, plan
from registry.resolver import Resolution, resolve
from registry.versions import Version, parse_version
from storage.installed import Installed
from storage.store import Store

# Real inputs take well under a second; past this no person waits, and the thread is given back.
SOLVE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Goal:
    """What was asked for, and what it comes to."""

    requirements: Mapping[str, str]
    """Of this request and its lock: what the new lock will say."""
    everything: Mapping[str, str]
    """The same with all that was asked for before and stays."""
    installed: Mapping[str, Installed]
    index: ModuleIndex
    resolution: Resolution
    plan: Plan
    places: Mapping[str, NamespaceKey]
    """Where each module was found."""

    def release(self, id: str) -> ModuleVersion:
        """The version chosen; where it is installed, with the bytes that were checked here."""
        stated, here = self._stated(id), self.installed.get(id)
        if here is None or here.version != stated.version:
            return stated
        return msgspec.structs.replace(
            stated, wasm_hash=here.sha256, blob=here.blob.hex(), wasm_size=here.size
        )

    def _stated(self, id: str) -> ModuleVersion:
        return self.index.release(id, self.resolution.versions[id])

    def warnings(self) -> tuple[str, ...]:
        """What a person should know before going on. Of thousands of modules: in a thread."""
        found: list[str] = []
        for id in sorted(self.resolution.versions):
            one = self.release(id)
            found.extend(marks_of(id, one))
            if one.wasm_hash != self._stated(id).wasm_hash:
                found.append(
                    f"the author of {id} {one.version} has signed other bytes since; what is"
                    " installed stays: uninstall and install it to take them"
                )
        found.extend(
            f"these need one another in a circle: {circle}"
            for circle in told_circles(self._needs())
        )
        return tuple(found)

    def _needs(self) -> Mapping[str, Set[str]]:
        return {
            id: self.index.dependencies(id, version).keys()
            for id, version in self.resolution.versions.items()
        }


def marks_of(id: str, one: ModuleVersion) -> list[str]:
    """What its author warns of, who yanked or deprecated it."""
    found: list[str] = []
    if one.yanked:
        found.append(f"{id} {one.version} was yanked: {one.yank_reason or 'no reason'}")
    if one.deprecated:
        found.append(f"{id} {one.version} is deprecated: {one.deprecation or 'no reason given'}")
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """Optional dependencies of what is named, else of all that the lock asks for; each by the name
    that people write."""

    with_: Sequence[str] = ()
    without: Sequence[str] = ()


NO_CHOICE: Final = Choice()


async def make_goal(
    store: Store,
    requirements: Sequence[str],
    lock: Lock | None,
    *,
    frozen: bool = False,
    namespace: NamespaceKey | None = None,
    choice: Choice = NO_CHOICE,
    tell: Loaded = nobody,
) -> Goal:
    """What is installed is looked for where it came from, unless a `namespace` is named; all else
    in that namespace, and then in commons.

    Raises `UnknownModule`, `AmbiguousName`, `Unsolvable`, `InvalidLock`, `Conflict` and more."""
    lock = check_lock(lock) if lock else None
    installed = {one.module: one for one in await store.installed_list()}
    held = lock or Lock()
    known = {*installed, *held.requirements, *(one.id for one in held.packages)}
    named = await _named(store, requirements, known, namespace or COMMONS)
    asked = {**held.requirements, **named}
    stays = {id: one.range for id, one in installed.items() if one.is_requested and id not in asked}
    preferred = {
        id: parse_version(installed[id].version) for id in _needed(stays, _needs(installed))
    }
    everything = stays | asked
    sources = Sources(namespace or COMMONS, {} if namespace else sources_of(installed).kept)
    options = chosen_before(installed.values(), held)
    await _choose(store, choice, named or asked, sources, options)
    index = await load_index(store, everything, sources, options, tell=tell)
    resolution = await solve(index, everything, locked={**preferred, **held.versions()})
    versions = {id: parse_version(one.version) for id, one in installed.items()}
    goal = Goal(
        asked, everything, installed, index, resolution, plan(versions, resolution), sources.found
    )
    if lock is not None:
        _check_lock(goal, lock, frozen=frozen)
    elif frozen:
        raise Conflict("there is no lock to install from", code="no-lock")
    return goal


def chosen_before(installed: Iterable[Installed], lock: Lock) -> dict[str, set[str]]:
    """Module → what it was installed with, or locked: what is optional of that stays chosen."""
    options: dict[str, set[str]] = {}
    for one in installed:
        options.setdefault(one.module, set()).update(one.dependencies)
    for package in lock.packages:
        options[package.id] = set(package.dependencies)
    return options


async def _choose(
    store: Store,
    choice: Choice,
    asked: Iterable[str],
    sources: Sources,
    options: dict[str, set[str]],
) -> None:
    """Adds to `options` and takes away. Raises `BadRequest` for what none of `asked` offers."""
    if not (choice.with_ or choice.without):
        return
    offered: dict[str, frozenset[str]] = {}
    for package in asked:
        row = await row_of(store, package, sources)
        if row is not None:
            offered[package] = optional_in(read_module(row))
    for texts, is_wanted in ((choice.with_, True), (choice.without, False)):
        for text in texts:
            name = await written_name(store, parse_requirement(text).reference)
            meant = {
                package: {one for one in names if _is_meant(name, one)}
                for package, names in offered.items()
            }
            if not any(meant.values()):
                listed = ", ".join(sorted(frozenset[str]().union(*offered.values()))) or "none"
                detail = f"nothing that was asked for has {text} as an optional dependency;"
                raise BadRequest(f"{detail} there are: {listed}", code="no-such-option")
            for package, names in meant.items():
                chosen = options.setdefault(package, set())
                options[package] = chosen | names if is_wanted else chosen - names


def _is_meant(name: ModuleName, full: str) -> bool:
    return full == str(name) if name.author else full.rpartition("/")[2] == name.id


async def solve(
    index: ModuleIndex,
    requirements: Mapping[str, str],
    *,
    locked: Mapping[str, Version] | None = None,
) -> Resolution:
    """Raises `Unsolvable` with its explanation, or `TooHard`."""
    deadline_s = time.monotonic() + SOLVE_S
    return await asyncio.to_thread(
        resolve,
        index,
        requirements,
        locked=locked,
        is_out_of_time=lambda: time.monotonic() > deadline_s,
    )


def lock_for(goal: Goal) -> Lock:
    """What `requirements` came to, without what only others asked for."""
    needs = goal.resolution.dependencies
    return lock_of(
        goal.requirements,
        tuple(
            LockedPackage(
                id=id,
                version=goal.release(id).version,
                sha256=goal.release(id).wasm_hash,
                blob=goal.release(id).blob,
                author=id.rpartition("/")[0],
                dependencies=dict(needs[id]),
            )
            for id in _needed(goal.requirements, needs)
        ),
    )


async def find_installed(store: Store, names: Iterable[str]) -> dict[str, Installed]:
    """The installed modules that are meant; those that are not installed are left out.

    Raises `InvalidName` or `UnknownPetname`.
    """
    installed = {one.module: one for one in await store.installed_list()}
    found: dict[str, Installed] = {}
    for text in names:
        name = await written_name(store, parse_requirement(text).reference)
        if meant := _only(name, installed):
            found[text] = installed[str(meant)]
    return found


async def _named(
    store: Store, requirements: Iterable[str], known: Collection[str], namespace: NamespaceKey
) -> dict[str, str]:
    """Full names and ranges. A bare id that is in use here means the one in use."""
    named: dict[str, str] = {}
    for text in requirements:
        wanted = parse_requirement(text)
        name = await written_name(store, wanted.reference)
        meant = str(_only(name, known) or await full_name(store, wanted.reference, namespace))
        if named.setdefault(meant, wanted.range) != wanted.range:
            detail = f"{meant} is asked for twice: as {named[meant]} and as {wanted.range}"
            raise BadRequest(detail, code="asked-twice")
    return named


def _only(name: ModuleName, known: Collection[str]) -> ModuleName | None:
    """The one among `known` that is meant, if there is just one."""
    if name.author is not None:
        return name if str(name) in known else None
    same = [one for one in known if one.rpartition("/")[2] == name.id]
    return parse_module_name(same[0]) if len(same) == 1 else None


def _needs(installed: Mapping[str, Installed]) -> dict[str, Mapping[str, str]]:
    return {id: one.dependencies for id, one in installed.items()}


def _needed(roots: Iterable[str], needs: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The roots and all they depend on, each once."""
    found: dict[str, None] = {}
    pending = list(roots)
    while pending:
        id = pending.pop()
        if id not in found and id in needs:
            found[id] = None
            pending.extend(needs[id])
    return tuple(found)


def _check_lock(goal: Goal, lock: Lock, *, frozen: bool) -> None:
    """The bytes are those the lock names; and if it is frozen, nothing has moved."""
    locked = {one.id: one for one in lock.packages}
    for id, package in locked.items():
        version = goal.resolution.versions.get(id)
        if version is None or str(version) != package.version:
            continue
        stated = goal.release(id)
        if (stated.wasm_hash, stated.blob) != (package.sha256, package.blob):
            detail = f"{id} {package.version}: the lock names other bytes than its author signed"
            raise Unverified(detail, code="hash-mismatch")
    if not frozen:
        return
    now = _pinned(lock_for(goal))
    before = _pinned(lock)
    if now != before or dict(lock.requirements) != dict(goal.requirements):
        moved = sorted({(id, version) for id, version, _ in now ^ before})
        faults = tuple(Fault("/lock", f"{id} {version}") for id, version in moved)
        detail = "the lock is out of date; run `panspermia install` without --frozen"
        raise Conflict(detail, code="lock-outdated", faults=faults)


def _pinned(lock: Lock) -> Set[tuple[str, str, frozenset[tuple[str, str]]]]:
    """Of each package id, version and needs: all that a lock says but hashes."""
    return {(one.id, one.version, frozenset(one.dependencies.items())) for one in lock.packages}
