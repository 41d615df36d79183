"""What the API takes and gives about advisories."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.models import Author, Cursor, Limit, Name, Place, Request
from registry.advisory import KINDS, Advisory, AdvisoryKind, By
from registry.comparators import RANGE_CHARACTERS_MAX


class AdvisoriesQuery(Struct, frozen=True):
    module: Name | None = None
    author: Author | None = None
    kind: Annotated[str, Meta(pattern=f"^({'|'.join(KINDS)})$")] | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place | None = None
    """All that are joined, unless one is named."""


class Advisories(Struct, frozen=True):
    advisories: tuple[Advisory, ...]
    next: str | None


class NewAdvisory(Request, frozen=True):
    module: Name
    kind: AdvisoryKind
    title: Annotated[str, Meta(min_length=1, max_length=1_000)]
    range: Annotated[str, Meta(max_length=RANGE_CHARACTERS_MAX)] = "*"
    text: Annotated[str, Meta(max_length=64 * 1024)] = ""
    """Markdown."""
    fixed: Annotated[str, Meta(max_length=256)] = ""
    replacement: Annotated[str, Meta(max_length=256)] = ""
    namespace: Place = "commons"
    dry_run: bool = False


class Withdrawal(Request, frozen=True):
    reason: Annotated[str, Meta(max_length=1_000)] = ""
    dry_run: bool = False


class SaidAdvisory(Advisory, frozen=True, kw_only=True):
    """As it is now, or would be."""

    dry_run: bool


class FindingItem(Struct, frozen=True):
    """What is said of one version. `counts`: by its author, oneself or whom one follows."""

    module: str
    version: str
    by: By
    counts: bool
    alarming: bool
    advisory: Advisory
    """Of a text by somebody who does not count only its beginning; `/api/advisories` has it all."""
    accepted: bool
    """By this person, for the very bytes of this version: it alarms no more."""
    unlike: str
    """Else what this person accepted it for, by the same name; "" for nothing."""
    words: str


class Audit(Struct, frozen=True):
    ok: bool
    """Whether nothing that counts, and was not accepted, calls anything vulnerable or malicious."""
    checked: int
    """Modules that are installed."""
    findings: tuple[FindingItem, ...]
