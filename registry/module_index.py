"""The resolver's index over modules at hand.

Its maker loads what is asked for, adds it, and looks at `unloaded` until that is empty: then
everything any version could need is there, or known to be missing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.errors import InvalidVersion
from registry.listed import Module, ModuleVersion
from registry.resolver import Offer
from registry.versions import Version, parse_version

# All that a resolution may draw in. 10,000 modules of 10 versions take about 100 MB.
MODULES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    version: ModuleVersion
    needs: Mapping[str, str]


class ModuleIndex:
    """Fits `resolver.Index`. Packages are full names, `did/id`."""

    def __init__(
        self,
        modules: Iterable[Module] = (),
        options: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """`options`: of each module the optional dependencies that were chosen, by full names."""
        self._options = options or {}
        self._held: dict[str, dict[Version, _Held]] = {}
        self._wanted: dict[str, None] = {}
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> None:
        """Take a module in, in place of an earlier state of it."""
        versions: dict[Version, _Held] = {}
        chosen = self._options.get(module.full_name, ())
        for each in module.versions:
            try:
                version = parse_version(each.version)
            except InvalidVersion:
                continue  # not from `module_of`, which leaves such versions out
            versions[version] = _Held(each, needs_of(each, chosen))
            self._wanted |= dict.fromkeys(versions[version].needs)
        self._held[module.full_name] = versions

    def add_missing(self, package: str) -> None:
        """Nobody here has it; it is not asked for again."""
        self._held.setdefault(package, {})

    def unloaded(self) -> tuple[str, ...]:
        """Packages that some version here needs and nobody has looked for yet."""
        if len(self._held) >= MODULES_MAX:
            return ()
        return tuple(package for package in self._wanted if package not in self._held)

    def release(self, package: str, version: Version) -> ModuleVersion:
        """The version as listed; one that `versions` gave."""
        return self._held[package][version].version

    def versions(self, package: str) -> Sequence[Version]:
        return tuple(self._held.get(package, ()))

    def dependencies(self, package: str, version: Version) -> Mapping[str, str]:
        return self._held[package][version].needs

    def offers(self, package: str) -> Iterable[Offer]:
        """For `resolve`."""
        held = self._held.get(package, {})
        return [Offer(each, one.needs, one.version.yanked) for each, one in held.items()]


def needs_of(version: ModuleVersion, chosen: Collection[str] = ()) -> Mapping[str, str]:
    """Package → range, of what it cannot do without, and of what was chosen of the rest."""
    return {
        each.module_id: each.version_requirement
        for each in version.dependencies
        if not each.optional or each.module_id in chosen
    }


def optional_in(module: Module) -> frozenset[str]:
    """Full names of all that some version of it works without."""
    return frozenset(
        each.module_id
        for version in module.versions
        for each in version.dependencies
        if each.optional
    )
