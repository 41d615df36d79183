"""What a run left that did not end in order: cleaned up after the next start, and said.

    node.json is still there ─▸ the end was sudden
    storage.mended           ─▸ what was made good before the store opened
    give_back                ─▸ what uploads left that were cut off, while the node runs

It is said in the log, in `/api/status` and by `panspermia doctor` for as long as the node runs.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from node.text import size_text
from storage.mending import Mended
from storage.store import Store
from storage.vault_collecting import GivenBack

log = logging.getLogger(__name__)

# Between two steps of some ms each: half a million chunks take a quarter of a minute.
GIVE_BACK_PAUSE_S: Final = 0.05
# Uploads that go on keep it from looking; what it cannot take away it looks at less and less often.
AGAIN_S: Final = 30.0
AGAIN_MAX_S: Final = 600.0

Rest = Callable[[float], Awaitable[None]]


class LastEnd(Struct, frozen=True):
    """How the run before ended, and what this one cleaned up after it."""

    sudden: bool
    cleaned: bool
    """Whether all of it was looked through."""
    parts: int
    """Chunks and pages of snapshots that were only partly stored; dropped."""
    bytes: int
    """Of the disk that were given back."""
    lost: int
    """Chunks and blobs that were to be here and are not, and are fetched again."""
    words: str
    """Empty where it ended in order and left nothing."""


@dataclass(slots=True)
class LeftOver:
    """What this start found, so far."""

    sudden: bool = False
    """The run before was killed, or the power failed."""
    mended: Mended = field(default_factory=Mended)
    given: GivenBack = field(default_factory=GivenBack)
    cleaned: bool = False

    @property
    def shown(self) -> LastEnd:
        lost = self.mended.chunks + self.mended.blobs
        size = self.mended.bytes + max(0, self.given.bytes)
        return LastEnd(self.sudden, self.cleaned, self.given.parts, size, lost, self._words(size))

    def _words(self, size: int) -> str:
        said: list[str] = []
        if self.given.parts or size:
            said.append(f"{size_text(size)} of uploads that were cut off given back")
        if self.mended.chunks:
            said.append(f"{self.mended.chunks:,} chunks of blobs are lost, fetch those blobs again")
        if self.mended.blobs:
            said.append(
                f"{self.mended.blobs:,} blobs lay in snapshots.db, which is gone: fetch them again"
            )
        if self.mended.is_rescued:
            said.append(
                "snapshots.db had pages that could not be read and was written anew with all"
                " others: `panspermia scrub` finds what is missing, and fetches it"
            )
        if self.mended.kept:
            said.append(
                f"the file that it was before is kept as {self.mended.kept}: delete that once"
                " `panspermia scrub` finds that all is whole"
            )
        if self.mended.why_not_rescued:
            said.append(
                "snapshots.db has pages that cannot be read, and could not be written anew:"
                f" {self.mended.why_not_rescued}. The next start tries it again"
            )
        if not self.cleaned and (self.sudden or said):
            said.append("still looking for what was cut off")
        if not self.sudden:
            return "; ".join(said)
        return f"the run before ended suddenly: {'; '.join(said) or 'nothing was left over'}"


async def keep_giving_back(
    store: Store, found: LeftOver, rest: Rest | None = None, pause_s: float = GIVE_BACK_PAUSE_S
) -> None:
    """Until cancelled: room of what nothing names, at once, whenever an upload comes to nothing,
    and as soon as uploads that go on let it.

    What goes until all was looked through once is told as left over by the run before.
    """
    if words := found.shown.words:
        log.warning("%s", words)
    wait_s = AGAIN_S
    while True:
        if store.has_left_over:
            given = await _give_back(store, pause_s)
            wait_s = min(2 * wait_s, AGAIN_MAX_S) if store.has_left_over else AGAIN_S
            if not found.cleaned:
                found.given += given
            elif given.parts:
                log.info("%s of uploads that were cut off given back", size_text(given.bytes))
        if not found.cleaned and not store.has_left_over:
            found.cleaned = True
            if words := found.shown.words:
                log.warning("%s", words)
        await (rest or store.until_left_over)(wait_s)


async def _give_back(store: Store, pause_s: float) -> GivenBack:
    try:
        return await store.give_back(pause_s=pause_s)
    except Exception:  # room that is not given back ends no node
        log.exception("what is left of snapshots that were only partly stored stays")
        return GivenBack()
