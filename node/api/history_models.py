"""The signed history of a module, and the checks of what is installed, as they cross the API."""

from msgspec import Struct

from crdt.did import encode_did_key
from node.api.forks import ForkItem, show_fork
from node.api.models import Verification
from node.services.history import Event, History
from node.words import Names, key_words, record_text
from registry.history import Act
from registry.listed import rfc3339


class EventItem(Struct, frozen=True):
    """One signed entry. `chain` are the keys its right came through, the owner's first."""

    entry: str
    at: str
    """By the claim of who signed it."""
    device: str
    who: str
    chain: tuple[str, ...]
    capability: str
    """Hex digest: `panspermia cap list` shows rights by it."""
    acts: tuple[Act, ...]
    words: str
    counts: bool
    code: str | None
    why: str


class HistoryItem(Struct, frozen=True):
    """Oldest first. `equivocations`: one number signed twice, any two of the entries are proof."""

    record: str
    whole: bool
    """False: these are the newest of many, and what they did is not told."""
    events: tuple[EventItem, ...]
    equivocations: tuple[ForkItem, ...]


class InstalledVerification(Struct, frozen=True):
    ok: bool
    modules: tuple[Verification, ...]


def show_history(found: History, names: Names) -> HistoryItem:
    return HistoryItem(
        record=record_text(found.document),
        whole=found.is_whole,
        events=tuple(_show_event(one, names) for one in found.events),
        equivocations=tuple(show_fork(one, names) for one in found.forks),
    )


def _show_event(one: Event, names: Names) -> EventItem:
    return EventItem(
        entry=one.told.id.hex(),
        at=rfc3339(one.told.signed_us),
        device=encode_did_key(one.told.device),
        who=key_words(one.told.device, names),
        chain=tuple(map(encode_did_key, one.capability.chain)),
        capability=one.digest.hex(),
        acts=one.acts,
        words="; ".join(map(str, one.acts)),
        counts=one.told.code is None,
        code=one.told.code,
        why=one.why,
    )
