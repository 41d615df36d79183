"""The plan by which modules are linked: who is instantiated first, and who gives each import.

A dependency's exports are offered to the others under its module id, which the importing module
names as the import's module. A module of another author is `did/id`; the bare id means the same
author, or the only module of that id in the plan. What no module gives, the host may (`env.memory`
and WASI). The plan is pure: `node.workers` carries it out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from registry.errors import quoted
from registry.wasm.allowlist import parse_allowlist
from registry.wasm.errors import Unlinkable
from registry.wasm.sections import Exported, Imported, Outline

# What the runner itself can give, to any module. Memory is fresh and counted; WASI sees no file,
# no argument, no variable and no network.
HOST = parse_allowlist(["env.memory", "wasi_snapshot_preview1.*"])
MODULES_MAX = 256  # in one run; real ones link a handful, and each costs an instance


@dataclass(frozen=True, slots=True)
class Linked:
    """One module of a plan; `givers` names for each imported module the one that gives it."""

    id: str
    givers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """Dependencies first. Linking in this order finds every import given."""

    order: tuple[Linked, ...]


def plan_links(modules: Sequence[tuple[str, Outline]]) -> LinkPlan:
    """Raises `Unlinkable` that names the module, the import, and what there is instead."""
    outlines = dict(modules)
    if len(outlines) < len(modules):
        twice = next(id for id, _ in modules if sum(other == id for other, _ in modules) > 1)
        raise Unlinkable("duplicate-module", f"{quoted(twice)} is given twice")
    if len(modules) > MODULES_MAX:
        detail = f"{len(modules)} modules in one run, at most {MODULES_MAX}"
        raise Unlinkable("too-many-modules", detail)
    givers = {id: find_givers(id, outline, outlines) for id, outline in modules}
    try:
        order = tuple(
            TopologicalSorter({id: sorted(found.values()) for id, found in givers.items()})
            .static_order()
        )  # fmt: skip
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise Unlinkable("import-cycle", f"modules import each other: {cycle}") from error
    return LinkPlan(tuple(Linked(id, givers[id]) for id in order))


def find_givers(id: str, outline: Outline, outlines: Mapping[str, Outline]) -> dict[str, str]:
    """The module that gives each module name `id` imports; host names are left out."""
    givers: dict[str, str] = {}
    exports: dict[str, dict[str, Exported]] = {}
    for wanted in outline.imports:
        if wanted.module not in givers:
            giver = find_giver(id, wanted.module, tuple(outlines))
            if giver is None:
                check_host(id, wanted)
                continue
            givers[wanted.module] = giver
            exports[wanted.module] = {given.name: given for given in outlines[giver].exports}
        check_given(id, wanted, givers[wanted.module], exports[wanted.module].get(wanted.name))
    return givers


def find_giver(id: str, wanted: str, ids: Sequence[str]) -> str | None:
    """An exact id, then the same author's, then the only module of that bare id."""
    if wanted in ids:
        return wanted
    author, slash, _ = id.rpartition("/")
    if slash and f"{author}/{wanted}" in ids:
        return f"{author}/{wanted}"
    found = [other for other in ids if other.rpartition("/")[2] == wanted]
    if len(found) > 1:
        candidates = ", ".join(sorted(found))
        detail = f"{quoted(id)} imports {quoted(wanted)}, which may be any of {candidates}"
        raise Unlinkable("ambiguous-import", detail)
    return found[0] if found else None


def check_host(id: str, wanted: Imported) -> None:
    if not HOST.allows(wanted.module, wanted.name):
        asked = f"{quoted(id)} imports {quoted(wanted.name)} of {quoted(wanted.module)}"
        detail = f"{asked}: neither a dependency of it nor something this node offers"
        raise Unlinkable("import-not-found", detail)


def check_given(id: str, wanted: Imported, giver: str, given: Exported | None) -> None:
    asked = f"{quoted(id)} imports {wanted.kind} {quoted(wanted.name)} of {quoted(giver)}"
    if given is None:
        raise Unlinkable("import-not-found", f"{asked}, which has no export of that name")
    if given.kind != wanted.kind:
        raise Unlinkable("import-mismatch", f"{asked}, which is a {given.kind} there")
    if wanted.kind == "function" and given.type != wanted.type:
        detail = f"{asked} as {wanted.type}, but there it is {given.type}"
        raise Unlinkable("import-mismatch", detail)
