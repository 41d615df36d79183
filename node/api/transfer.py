"""A blob on its way, in `status` and whatever else tells of it."""

from typing import Literal

from msgspec import Struct


class Transfer(Struct, frozen=True):
    """A blob that is being fetched, or was until a moment ago; all 0 until its manifest came."""

    blob: str
    size: int = 0
    total: int = 0
    chunks: int = 0
    chunks_total: int = 0
    peers: int = 0
    """That gave some of it."""
    bytes_per_s: int = 0
    state: Literal["asking", "fetching", "fetched", "failed"] = "asking"
    limited: bool = False
    """It could come faster, but for the limits of bandwidth that are set here."""
    reason: str = ""
    """Why it failed; while it is `fetching`, why nobody is asked just now: it waits for a peer."""
    quiet_s: float = 0.0
    """Since a piece of it came; after 5 s `bytes_per_s` is 0."""
