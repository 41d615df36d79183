"""What the gate refuses: why, as people are told, and when it may come again."""

from dataclasses import dataclass

from crdt.change import CheckedEntry
from storage.claim import guest_of
from storage.ended import CutBy
from storage.usage import AUTHOR_PREFIX_BYTES

OVER_QUOTA = "over-quota"
"""A limit of this node, so no fault of whoever brought it."""
EVICTED = "evicted"
NO_ROOM = "no room is left for authors whom nobody here follows; naming them gives it"
PEER_FULL = "its peer brought as much of strangers as one may; naming its author lifts that"
GAVE_WAY = "what authors whom nobody here follows wrote gave way to others: no room was left"
DOCUMENT_FULL = "its document has as many entries as this node looks at"
BRANCH_FULL = "those who were let in by one key have said as much as this node looks at"
AUTHOR_FULL = "its author has no more room here; naming them gives it"
GUEST_FULL = "whom its author let in has no more room here; naming them gives it"
AREA_FULL = "an area of the settings is full: quota.areas"
OF_REVOKED = (
    "a revocation ended the right to it, and enough of such is kept in case it is taken back"
)
FOR_ROOM = (NO_ROOM, PEER_FULL)


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that was not taken in."""

    entry: CheckedEntry
    why: str
    waits_for: bytes | None = None
    """What of `kept_out` an arrival has to be of, for it to come again."""
    code: str = OVER_QUOTA
    cut_by: CutBy | None = None

    @property
    def is_for_room(self) -> bool:
        return self.why in FOR_ROOM

    @property
    def answers(self) -> bytes:
        """Whose name brings it again: the beginning of the key. The author's lifts guests, too."""
        document = self.entry.document
        guest = guest_of(document, self.entry.capability) if self.why == GUEST_FULL else b""
        return (guest or document.subspace)[:AUTHOR_PREFIX_BYTES]
