"""What is installed here: the result of plans, changed all at once or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from crdt.blob import BlobId
from crdt.keys import COMMONS, NamespaceKey
from storage.kept import adopt
from storage.part import Part
from storage.usage import refollow


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed version of one module."""

    module: str
    """`did/id`"""
    version: str
    sha256: str
    """Hex, of the WASM."""
    blob: BlobId
    size: int
    """Bytes of the WASM."""
    is_requested: bool
    """Asked for by the person, not only needed by another module."""
    range: str
    """What was asked for; "" where only others need it."""
    dependencies: Mapping[str, str]
    """`did/id` → range"""
    installed_us: int
    namespace: NamespaceKey = COMMONS
    """Where it came from."""


@dataclass(frozen=True, slots=True)
class AcceptedRisk:
    """One author's advisory that this person accepts for certain bytes of a module's version."""

    module: str
    """`did/id`"""
    version: str
    namespace: NamespaceKey
    """Where the module was taken from."""
    sha256: str
    """Hex, of the WASM. Empty, as `namespace` is, where it was accepted before both were noted."""
    author: str
    """did:key of whose word it is."""
    advisory: str


@dataclass(frozen=True, slots=True)
class InstallChanges:
    """`put` adds or replaces, `remove` names modules, `accept` is remembered."""

    put: Sequence[Installed] = ()
    remove: Sequence[str] = ()
    accept: Sequence[AcceptedRisk] = ()


class InstalledModules(Part):
    async def installed_list(self) -> list[Installed]:
        """Everything installed, by module."""
        rows = await self._database.rows(
            "SELECT module, version, sha256, blob, size, is_requested, range, dependencies,"
            " installed_us, namespace FROM installed ORDER BY module"
        )
        return [
            Installed(
                module,
                version,
                sha256,
                blob,
                size,
                bool(asked),
                range,
                json.loads(needs),
                at_us,
                NamespaceKey(namespace or COMMONS),
            )
            for module, version, sha256, blob, size, asked, range, needs, at_us, namespace in rows
        ]

    async def accepted_risks(self) -> frozenset[AcceptedRisk]:
        """All that this person accepts, whether or not it is installed."""
        rows = await self._database.rows(
            "SELECT module, version, namespace, sha256, author, advisory FROM accepted_risk"
        )
        return frozenset(AcceptedRisk(*row) for row in rows)

    async def apply_install(self, changes: InstallChanges) -> None:
        """The whole plan in one transaction: after a crash it is done or never began."""
        async with self._database.transaction() as write:
            await write.run_many(
                "DELETE FROM installed WHERE module = ?", ((module,) for module in changes.remove)
            )
            await write.run_many(
                "INSERT OR REPLACE INTO installed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        one.module,
                        one.version,
                        one.sha256,
                        one.blob,
                        one.size,
                        int(one.is_requested),
                        one.range,
                        json.dumps(dict(one.dependencies), sort_keys=True),
                        one.installed_us,
                        None if one.namespace == COMMONS else one.namespace,
                    )
                    for one in changes.put
                ),
            )
            await write.run_many(
                "INSERT OR IGNORE INTO accepted_risk VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((*astuple(one), self._clock_us()) for one in changes.accept),
            )
            await adopt(write, (one.blob for one in changes.put))
            await refollow(write)  # the authors of what is installed are followed
