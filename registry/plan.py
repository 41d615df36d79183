"""What an installation would do, before it does it."""

from collections.abc import Collection, Mapping

import msgspec

from registry.resolver import Resolution
from registry.versions import Version


class Placed(msgspec.Struct, frozen=True):
    """A module at a version."""

    id: str
    version: str


class Moved(msgspec.Struct, frozen=True):
    """A module that changes its version: `from`, `to` in JSON."""

    id: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Each list sorted by id; ids are full names."""

    add: tuple[Placed, ...] = ()
    upgrade: tuple[Moved, ...] = ()
    downgrade: tuple[Moved, ...] = ()
    keep: tuple[Placed, ...] = ()
    remove: tuple[Placed, ...] = ()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """What was not here at this version before."""
        moved = (*self.upgrade, *self.downgrade)
        return (*self.add, *(Placed(one.id, one.target) for one in moved))

    @property
    def changes_nothing(self) -> bool:
        return not (self.add or self.upgrade or self.downgrade or self.remove)


def plan(installed: Mapping[str, Version], resolution: Resolution) -> Plan:
    """From what is installed to what was resolved; what nothing needs any more is removed.

    The resolution must have been asked for everything that is to stay.
    """
    wanted = resolution.versions
    before = {id: version for id, version in installed.items() if id in wanted}
    moves = [
        (wanted[id] > version, Moved(id, str(version), str(wanted[id])))
        for id, version in sorted(before.items())
        if str(wanted[id]) != str(version)
    ]
    return Plan(
        add=_placed({id: wanted[id] for id in wanted if id not in installed}),
        upgrade=tuple(move for is_up, move in moves if is_up),
        downgrade=tuple(move for is_up, move in moves if not is_up),
        keep=_placed({id: old for id, old in before.items() if str(wanted[id]) == str(old)}),
        remove=_placed({id: old for id, old in installed.items() if id not in wanted}),
    )


def new_imports(
    before: Collection[str] | None, after: Collection[str], module_ids: Collection[str]
) -> tuple[str, ...]:
    """What a module newly asks of the host: `after` without `before` (None: not installed yet).

    Imports from other modules (`module_ids` are bare ids) are linked, so they ask nothing.
    """
    linked = tuple(f"{id}." for id in sorted(module_ids))
    known = frozenset(before or ())
    return tuple(sorted(each for each in set(after) - known if not each.startswith(linked)))


def needed_by(
    installed: Mapping[str, Collection[str]], removed: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """For each of `removed`, the installed modules that stay and need it; empty if it may go.

    `installed` maps each module to those it depends on.
    """
    staying = {id: needs for id, needs in installed.items() if id not in removed}
    askers = {
        id: tuple(sorted(other for other, needs in staying.items() if id in needs))
        for id in sorted(removed)
    }
    return {id: others for id, others in askers.items() if others}


def _placed(versions: Mapping[str, Version]) -> tuple[Placed, ...]:
    return tuple(Placed(id, str(version)) for id, version in sorted(versions.items()))
