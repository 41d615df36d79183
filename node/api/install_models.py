"""What the API takes and gives about installing."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.advisory_models import FindingItem
from node.api.models import Name, Place, Request, Requirements
from registry.changes import Changes
from registry.lockfile import Lock
from registry.plan import Placed, Plan

AdvisoryText = Annotated[str, Meta(pattern="^(adv-)?[0-9a-f]{4,16}$")]
"""The id of an advisory, or its beginning."""


class Wanted(Request, frozen=True):
    requirements: Requirements = ()
    lock: Lock | None = None
    namespace: Place | None = None
    """Where to look before commons; without it what is installed stays with where it came from."""
    optional: Requirements = ()
    """Optional dependencies to install too, of what is asked for. What was chosen once stays."""
    without: Requirements = ()
    """Those to leave out again."""


class InstallWanted(Wanted, frozen=True):
    frozen: bool = False
    """Exactly what the lock says, or nothing."""
    accept_risk: Annotated[tuple[AdvisoryText, ...], Meta(max_length=100)] = ()
    """Advisories that are accepted, by their ids or beginnings: what they call malicious is
    installed, and they are remembered for the versions that are installed now."""
    tell_plan: bool = False
    """In a story: before anything is fetched a line `{"event": "plan", …}`, else as `/api/resolve`
    answers; what would be too long a line, as of thousands of modules, without packages and risks.
    Who would not stop it asks once instead of twice."""


class PlannedPackage(Struct, frozen=True):
    id: str
    version: str
    sha256: str
    blob: str
    size: int
    dependencies: dict[str, str]
    imports_new: tuple[str, ...]
    """What this version imports and the installed one does not."""
    cached: bool
    optional: tuple[str, ...] = ()
    """What it works without, and was not chosen."""
    changes: Changes | None = None
    """From the version that is installed to this one; None where none is, or it is the same."""
    changes_words: tuple[str, ...] = ()


class Resolved(Struct, frozen=True):
    plan: Plan
    packages: tuple[PlannedPackage, ...]
    warnings: tuple[str, ...]
    risks: tuple[FindingItem, ...] = ()
    """Advisories on the versions that were chosen."""


class PlanTold(Resolved, frozen=True, tag_field="event", tag="plan"):
    """The same as a line of a story."""


class InstallResult(Struct, frozen=True):
    installed: tuple[Placed, ...]
    removed: tuple[Placed, ...]
    lock: Lock
    warnings: tuple[str, ...] = ()


class InstalledItem(Struct, frozen=True):
    id: str
    version: str
    sha256: str
    size: int
    requested: bool
    range: str
    installed_at: str
    namespace: str


class InstalledList(Struct, frozen=True):
    installed: tuple[InstalledItem, ...]


class UninstallWanted(Request, frozen=True):
    ids: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=1000)]
    dry_run: bool = False


class Uninstalled(Struct, frozen=True):
    removed: tuple[Placed, ...]
    dry_run: bool


class OutdatedItem(Struct, frozen=True):
    id: str
    current: str
    wanted: str
    latest: str


class Outdated(Struct, frozen=True):
    outdated: tuple[OutdatedItem, ...]
