"""What changes from one version of a module to another: what it asks for, and what it offers.

Imports and dependencies stand in what the author signed. Exports are shown as the author's node
read them, and only so many (`module.EXPORTS_MAX`): of a longer list nobody can say what is gone.
"""

from collections.abc import Iterable

import msgspec

from registry.listed import Capability, ModuleVersion
from registry.module import EXPORTS_BYTES_MAX, EXPORTS_MAX
from registry.publication import encode_exports


class Retyped(msgspec.Struct, frozen=True):
    """An export that is there in both, with another signature."""

    name: str
    before: str
    after: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Each list sorted. `before` and `after` are versions."""

    before: str
    after: str
    imports_new: tuple[str, ...] = ()
    imports_gone: tuple[str, ...] = ()
    exports_new: tuple[str, ...] = ()
    exports_gone: tuple[str, ...] = ()
    exports_retyped: tuple[Retyped, ...] = ()
    dependencies_new: tuple[str, ...] = ()
    dependencies_gone: tuple[str, ...] = ()
    has_all_exports: bool = True
    """False: one of the two has more exports than are shown, and none is called new or gone."""

    @property
    def breaks(self) -> bool:
        """Whether something that called the one may fail with the other."""
        return bool(self.exports_gone or self.exports_retyped)

    def lines(self) -> tuple[str, ...]:
        """In words, what matters most first."""
        retyped = (f"{one.name} from {one.before} to {one.after}" for one in self.exports_retyped)
        said = (
            ("newly imports", self.imports_new),
            ("no longer exports", self.exports_gone),
            ("changes", tuple(retyped)),
            ("newly needs", self.dependencies_new),
            ("newly exports", self.exports_new),
            ("no longer imports", self.imports_gone),
            ("no longer needs", self.dependencies_gone),
        )
        return tuple(f"{verb} {', '.join(what)}" for verb, what in said if what)


def changes(before: ModuleVersion, after: ModuleVersion) -> Changes:
    """What somebody should know who has the one and gets the other."""
    old, new = _by_name(before.capabilities), _by_name(after.capabilities)
    is_whole = _is_whole(before.capabilities) and _is_whole(after.capabilities)
    needed = [{one.module_id for one in each.dependencies} for each in (before, after)]
    return Changes(
        before=before.version,
        after=after.version,
        imports_new=_only(after.imports, before.imports),
        imports_gone=_only(before.imports, after.imports),
        exports_new=_only(new, old) if is_whole else (),
        exports_gone=_only(old, new) if is_whole else (),
        exports_retyped=tuple(
            Retyped(name, old[name], new[name])
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ),
        dependencies_new=_only(needed[1], needed[0]),
        dependencies_gone=_only(needed[0], needed[1]),
        has_all_exports=is_whole,
    )


def _only(these: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(these) - set(others)))


def _by_name(capabilities: Iterable[Capability]) -> dict[str, str]:
    """Export → its type; the kind too where it is no function."""
    return {
        one.name: one.signature if one.kind == "function" else f"{one.kind} {one.signature}".strip()
        for one in capabilities
    }


def _is_whole(capabilities: tuple[Capability, ...]) -> bool:
    """Whether nothing was left out: a list that was cut is near one of the bounds."""
    is_short = len(encode_exports(capabilities)) <= EXPORTS_BYTES_MAX // 2
    return len(capabilities) < EXPORTS_MAX and is_short
