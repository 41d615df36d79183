"""A blob on its way, in `status` and whatever else tells of it."""

from msgspec import Struct


class Transfer(Struct, frozen=True):
    """A blob that is being fetched. All are 0 until its manifest is here."""

    blob: str
    size: int = 0
    total: int = 0
    chunks: int = 0
    chunks_total: int = 0
    peers: int = 0
    bytes_per_s: int = 0
