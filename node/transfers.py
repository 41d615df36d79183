"""What the page, `events` and programs hear of blobs that are being fetched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from crdt.blob import BlobId
from node.api.transfer import Transfer
from node.events import Events
from node.quotas import size_of
from p2p.protocol.bandwidth import Rates
from p2p.protocol.effects import BlobFailed, BlobFetched, BlobProgress
from p2p.transport.fetching import BlobEvent, BlobSaid
from p2p.transport.network import NetworkEvent

EVERY_S: Final = 1.0  # one line for a person; a program asks for the transfers when it likes


class BlobNews(Struct, frozen=True):
    """The `blob` event. `state`: fetching, fetched, or failed with its reason."""

    blob: str
    state: str
    size: int = 0
    """Bytes that are here."""
    total: int = 0
    peers: int = 0
    """That gave some of it."""
    bytes_per_s: int = 0
    reason: str = ""


@dataclass(slots=True)
class BlobTeller:
    """Publishes the `blob` event, once a second for each blob and at its end."""

    events: Events
    clock: Callable[[], float]
    _told_s: dict[BlobId, float] = field(default_factory=dict[BlobId, float])

    def note(self, event: NetworkEvent) -> None:
        if isinstance(event, BlobSaid):
            self.tell(event.event)

    def tell(self, event: BlobEvent) -> None:
        blob = event.blob.hex()
        match event:
            case BlobProgress(size_bytes=size, total_bytes=total, peers=peers, rate=rate):
                if self.clock() - self._told_s.get(event.blob, -EVERY_S) < EVERY_S:
                    return
                self._told_s[event.blob] = self.clock()
                news = BlobNews(blob, "fetching", size, total, peers, round(rate))
            case BlobFetched(size_bytes=size):
                self._told_s.pop(event.blob, None)
                news = BlobNews(blob, "fetched", size, size)
            case BlobFailed(sentence=sentence):
                self._told_s.pop(event.blob, None)
                news = BlobNews(blob, "failed", reason=sentence)
        self.events.publish("blob", news)


def show_transfers(running: Mapping[BlobId, BlobProgress | None]) -> Sequence[Transfer]:
    """What is being fetched, as the swarm told last."""
    return [
        Transfer(blob.hex())
        if told is None
        else Transfer(
            blob.hex(),
            told.size_bytes,
            told.total_bytes,
            told.chunks,
            told.chunks_total,
            told.peers,
            round(told.rate),
        )
        for blob, told in running.items()
    ]


def rates_of(all: str, peer: str) -> Rates:
    """Of two settings."""
    return Rates(rate_of(all), rate_of(peer))


def rate_of(text: str) -> float:
    """`5MiB` in bytes per second; `none` is no limit: 0."""
    return 0.0 if text == "none" else float(size_of(text))
