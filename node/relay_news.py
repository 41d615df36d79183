"""What the events `relay` and `letter` say."""

from msgspec import Struct


class RelayNews(Struct, frozen=True):
    """The `relay` event."""

    url: str
    state: str
    reason: str = ""


class LetterNews(Struct, frozen=True):
    """The `letter` event: one was kept."""

    number: int
    did: str
    kind: str
