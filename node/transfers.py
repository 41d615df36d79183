"""What the page, `events` and programs hear of blobs that are being fetched."""

from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from crdt.blob import BlobId
from crdt.did import encode_did_key
from crdt.keys import AuthorKey
from node.api.transfer import Transfer
from node.events import Events
from node.quotas import size_of
from node.text import short_did
from p2p.protocol.bandwidth import Rates
from p2p.protocol.effects import BlobFailed, BlobFetched, BlobProgress
from p2p.protocol.limits import RUN_PATIENCE_S
from p2p.transport.fetching import BlobEvent, BlobSaid
from p2p.transport.network import NetworkEvent

EVERY_S: Final = 1.0  # one line for a person; a program asks for the transfers when it likes
# How one ended is shown to whoever looks a moment later.
ENDED_S: Final = 60.0
ENDED_MAX: Final = 8


class BlobNews(Struct, frozen=True):
    """The `blob` event. `state`: fetching, fetched, or failed with its reason.

    One that is fetching has a reason while it waits for a peer.
    """

    blob: str
    state: str
    size: int = 0
    """Bytes that are here."""
    total: int = 0
    peers: int = 0
    """That gave some of it."""
    bytes_per_s: int = 0
    limited: bool = False
    """It could come faster, but for the limits of bandwidth that are set here."""
    reason: str = ""


@dataclass(slots=True)
class BlobTeller:
    """Publishes the `blob` event, once a second for each blob and at its end; knows the last ends.

    A fetch that nobody waits for any more ends without a word.
    """

    events: Events
    clock: Callable[[], float]
    _told_s: dict[BlobId, float] = field(default_factory=dict[BlobId, float])
    _ended: OrderedDict[BlobId, tuple[float, Transfer]] = field(
        default_factory=OrderedDict[BlobId, tuple[float, Transfer]]
    )

    def note(self, event: NetworkEvent) -> None:
        if isinstance(event, BlobSaid):
            self.tell(event.event)

    def tell(self, event: BlobEvent) -> None:
        blob = event.blob.hex()
        match event:
            case BlobProgress(size_bytes=size, total_bytes=total, peers=peers, rate=rate):
                is_soon = self.clock() - self._told_s.get(event.blob, -EVERY_S) < EVERY_S
                if is_soon and not event.waits_for:
                    return
                self._told_s[event.blob] = self.clock()
                limited = event.is_limited
                why = event.waits_for
                news = BlobNews(blob, "fetching", size, total, peers, round(rate), limited, why)
            case BlobFetched(size_bytes=size):
                news = BlobNews(blob, "fetched", size, size)
                self._end(event.blob, Transfer(blob, size, size, state="fetched"))
            case BlobFailed(sentence=sentence):
                news = BlobNews(blob, "failed", reason=sentence)
                self._end(event.blob, Transfer(blob, state="failed", reason=sentence))
        self.events.publish("blob", news)

    def ended(self, running: Container[BlobId]) -> list[Transfer]:
        """How the last ones ended, but for those that are `running` again; the newest first."""
        since_s = self.clock() - ENDED_S
        return [
            how
            for blob, (at_s, how) in reversed(self._ended.items())
            if at_s >= since_s and blob not in running
        ]

    def _end(self, blob: BlobId, how: Transfer) -> None:
        self._told_s.pop(blob, None)
        self._ended.pop(blob, None)
        self._ended[blob] = (self.clock(), how)
        if len(self._ended) > ENDED_MAX:
            self._ended.popitem(last=False)


def show_transfers(
    running: Mapping[BlobId, BlobProgress | None],
    now_s: float,
    author_of: Callable[[int], AuthorKey | None] = lambda _: None,
) -> Sequence[Transfer]:
    """What is being fetched, as the swarm told last, by its clock. `author_of`: whose a peer is."""
    return [
        Transfer(blob.hex()) if told is None else show_transfer(told, now_s, author_of)
        for blob, told in running.items()
    ]


def show_transfer(
    told: BlobProgress,
    now_s: float,
    author_of: Callable[[int], AuthorKey | None] = lambda _: None,
) -> Transfer:
    """A rate is of what comes: once nothing does, it is none."""
    quiet_s = max(0.0, now_s - told.came_s)
    comes = quiet_s < RUN_PATIENCE_S
    who = None if told.left is None else author_of(told.left)
    left = "" if who is None else f"{short_did(encode_did_key(who))} gave some of it and is gone; "
    return Transfer(
        told.blob.hex(),
        told.size_bytes,
        told.total_bytes,
        told.chunks,
        told.chunks_total,
        told.peers,
        round(told.rate) if comes else 0,
        "fetching",
        told.is_limited and comes,
        told.waits_for and f"{left}{told.waits_for}",
        quiet_s,
    )


def rates_of(all: str, peer: str) -> Rates:
    """Of two settings."""
    return Rates(rate_of(all), rate_of(peer))


def rate_of(text: str) -> float:
    """`5MiB` in bytes per second; `none` is no limit: 0."""
    return 0.0 if text == "none" else float(size_of(text))
