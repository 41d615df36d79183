"""What the node's edges need of the network, so that a test can do without sockets."""

from collections.abc import Callable, Sequence
from typing import Protocol

from crdt.blob import BlobId
from crdt.keys import NamespaceKey
from node.api.peer_models import Discovered, Peer, SyncReport
from node.api.relay_models import FoundRelay, RelayShown, SentLetter
from node.api.transfer import Transfer
from node.offenders import RefusedPeer
from p2p.protocol.hint import Chosen
from p2p.protocol.pieces import Urgency
from p2p.protocol.relay.letter import LetterKind

Progress = Callable[[int, int], None]
"""Bytes that are here, and bytes in all."""


class Network(Protocol):
    """The peers of this node, as the API shows them."""

    @property
    def address(self) -> str:
        """`host:port` at which peers reach this node."""
        ...

    def peers(self) -> Sequence[Peer]: ...
    def discovered(self) -> Sequence[Discovered]: ...
    def refused(self) -> Sequence[RefusedPeer]: ...

    def one_source(self) -> str | None:
        """The one relay, peer or table that all connected peers were heard of from, if it is one.

        As `p2p.protocol.sources` says; None with fewer than two peers.
        """
        ...

    def forgive(self, who: str) -> bool:
        """A device by its did:key, or a host. False where nothing is held against it."""
        ...

    def drop_blocked(self) -> None:
        """Ends the sessions with those who were blocked just now."""
        ...

    def hurry(self) -> None:
        """Calls those now that were to be called later."""
        ...

    def sharing(self, namespace: NamespaceKey) -> int:
        """How many connected peers take part in it too."""
        ...

    def compared_s(self, namespace: NamespaceKey) -> float | None:
        """Seconds since statements of a namespace were last compared with a peer; None: never."""
        ...

    async def connect(self, address: str, source: Chosen = "static") -> Peer:
        """From now on, as `source` says. Raises `SyncError` where nobody answers there."""
        ...

    async def disconnect(self, device: str) -> bool:
        """By the device's did:key; it is not called again. False where nothing is known of it."""
        ...

    async def sync(self, timeout_s: float) -> Sequence[SyncReport]:
        """One more comparison with every connected peer."""
        ...

    def transfers(self) -> Sequence[Transfer]:
        """The blobs that are being fetched."""
        ...

    async def fetch_blob(
        self,
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        """Until it is in the store, verified. Raises `SyncError` where no peer has it so small.

        The more urgent goes first; of what is only kept nobody is told. `relative_to`: blobs that
        it may be much like, the likest first; of the first that is here only what differs comes.
        """
        ...


class RelayBook(Protocol):
    """The relays through which this node is reached."""

    def shown(self) -> Sequence[RelayShown]: ...

    def unused(self) -> Sequence[FoundRelay]:
        """Those that were heard of, and that nobody chose yet."""
        ...

    def hurry(self) -> None:
        """Looks now for somebody who may be wanted from now on."""
        ...

    async def send_letter(
        self, to: bytes, kind: LetterKind, text: str, *, relay: str | None
    ) -> Sequence[SentLetter]:
        """To each device of an author, or to one device. Raises `SyncError` without any."""
        ...


class Pages(Protocol):
    """Calls of this person's own pages, by WebRTC."""

    async def answer_page(self, sdp: str) -> str:
        """The answer to the offer of a page. Raises `SyncError`."""
        ...
