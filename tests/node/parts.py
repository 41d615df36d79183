"""A node of alice in this process: the real store, index and workers, and a network of wishes."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from crdt.blob import BlobId
from crdt.keys import COMMONS, DeviceKey, NamespaceKey
from node.api.app import make_app
from node.api.cursors import Cursors
from node.api.guard import allowed_names
from node.api.peer_models import Discovered, Peer, SyncReport
from node.api.relay_models import FoundRelay, RelayShown, SentLetter
from node.api.tokens import Scope, Tokens
from node.api.transfer import Transfer
from node.attesting import Attesting
from node.config import Config
from node.direct import Direct
from node.events import Events
from node.finding import Ways
from node.home import Home
from node.identity import load_or_create
from node.inviting import Desk
from node.keeping.keeping import Keeping
from node.offenders import RefusedPeer
from node.page_codes import PageCodes
from node.pairing import Pairing
from node.ports import Progress
from node.projection import project
from node.quotas import quota_of, size_of
from node.services.attest import Attestor
from node.services.attested import AttestedOrder
from node.services.namespaces import Keeper
from node.services.standing import Standings
from node.services.waits import WaitingBook
from node.wiring import Node, clock_us
from node.workers.workers import WorkerConfig, Workers
from p2p.protocol.errors import PeerLeft
from p2p.protocol.hint import Chosen
from p2p.protocol.pieces import Urgency
from p2p.protocol.relay.letter import LetterKind
from p2p.transport.stream import FrameStream
from registry.facts import facts_of
from storage.search_index import open_search_index
from storage.store import Store, open_store

PORT = 3000
URL = f"http://127.0.0.1:{PORT}"
BOB = Peer(
    did="did:key:zBob", device="did:key:zBobLaptop", address="10.0.0.7:4747", transport="tcp",
    direction="out", state="connected", connected_s=1.0, rtt_ms=2.0, rounds=1, bytes_in=1,
    bytes_out=1, entries_in=0, entries_out=0, refused=0, kept_out=0, last_error="",
    standing="in-sync", words="in sync", compared_s=0.5, source="mdns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """One call of `Wishes.fetch_blob`."""

    blob: BlobId
    progress: Progress
    size_bytes_max: int
    urgency: Urgency
    relative_to: Sequence[BlobId] = ()


@dataclass
class Wishes:
    """Fits `node.ports.Network`: bob answers at one address and gives the blobs of his store."""

    address: str = "127.0.0.1:4747"
    connected: list[Peer] = field(default_factory=list[Peer])
    bob: Store | None = None
    alice: Store | None = None
    offenders: tuple[str, ...] = ()
    is_told_of_blocks: bool = False
    running: tuple[Transfer, ...] = ()

    def peers(self) -> Sequence[Peer]:
        return self.connected

    def discovered(self) -> Sequence[Discovered]:
        return [
            Discovered(
                did=BOB.did, device=BOB.device, address=BOB.address, source="mdns", seen_s=3.0
            )
        ]

    def one_source(self) -> str | None:
        return "dht" if len(self.connected) > 1 else None

    def sharing(self, namespace: NamespaceKey) -> int:
        return len(self.connected) if namespace == COMMONS else 0

    def compared_s(self, namespace: NamespaceKey) -> float | None:
        return 5.0 if self.sharing(namespace) else None

    def refused(self) -> Sequence[RefusedPeer]:
        return ()

    def forgive(self, who: str) -> bool:
        return who in self.offenders

    def drop_blocked(self) -> None:
        self.is_told_of_blocks = True

    def hurry(self) -> None:
        """Nobody waits."""

    async def connect(self, address: str, source: Chosen = "static") -> Peer:
        if address != BOB.address:
            raise PeerLeft("unreachable", f"{address} cannot be reached.")
        self.connected.append(BOB)
        return BOB

    async def disconnect(self, device: str) -> bool:
        was = len(self.connected)
        self.connected = [peer for peer in self.connected if peer.device != device]
        return len(self.connected) < was

    async def sync(self, timeout_s: float) -> Sequence[SyncReport]:
        return [
            SyncReport(peer.did, peer.address, 1, 10, 10, 0, 0, 0, 0, 0.1, True)
            for peer in self.connected
        ]

    def transfers(self) -> Sequence[Transfer]:
        return self.running

    async def fetch_blob(
        self,
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        await self.bring(Wish(blob, progress, size_bytes_max, urgency, relative_to))

    async def bring(self, wish: Wish) -> None:
        """As `fetch_blob`, for who gives in another way to say."""
        if self.bob is None or self.alice is None or not await self.bob.has_blob(wish.blob):
            raise PeerLeft("no-peer-has-it", "No peer could give it.")
        await self.alice.put_blob(await self.bob.read_blob(wish.blob))
        wish.progress(1, 1)


class Unrelayed:
    """The relays of a node that has none."""

    def shown(self) -> Sequence[RelayShown]:
        return ()

    def unused(self) -> Sequence[FoundRelay]:
        return ()

    def hurry(self) -> None:
        """Nobody is looked for."""

    async def send_letter(
        self, to: bytes, kind: LetterKind, text: str, *, relay: str | None
    ) -> Sequence[SentLetter]:
        raise PeerLeft("no-relay", "This node has no relay.")


@dataclass(frozen=True)
class Alice:
    """Her node, its app, and a client that holds her token."""

    node: Node
    app: ASGIApp
    network: Wishes
    client: httpx2.AsyncClient

    def bearer(self, scope: Scope = "admin") -> dict[str, str]:
        token = self.node.tokens.issue(scope, now_s=self.node.clock_s())
        return {"Authorization": f"Bearer {token}"}

    async def search_sees_it(self) -> None:
        await self.node.index.catch_up()


def alone(keeper: Keeper, events: Events, clock: Callable[[], int]) -> Pairing:
    """Pairing of a node that reaches nobody: invites are made and kept, and nobody comes."""

    def card() -> bytes:
        raise AssertionError("nobody is there who could ask for it")

    async def open_channel(place: str) -> FrameStream:
        raise PeerLeft("unreachable", f"{place} cannot be reached.")

    desk = Desk(
        keeper, events, card, lambda card: None, lambda signs: None,
        clock=asyncio.get_running_loop().time, wall_us=clock,
    )  # fmt: skip
    device = DeviceKey(keeper.identity.device.public)

    async def keep(relays: Sequence[str]) -> None:
        assert not relays, "this node is invited by nobody"

    ways = Ways(device, card, open_channel, None, clock)
    return Pairing(desk, ways, lambda: ("10.0.0.1:4747",), lambda: (), keep)


@asynccontextmanager
async def open_alice(
    path: Path,
    *,
    config: Config | None = None,
    clock: Callable[[], int] = clock_us,
    network: Wishes | None = None,
) -> AsyncGenerator[Alice]:
    home, network = Home(path), network or Wishes()
    config = config or Config()
    home.make()
    identity = load_or_create(home, os.urandom)
    workers = Workers(WorkerConfig())  # its children start with the first task that needs one
    async with (
        open_store(
            home.database,
            project=project,
            clock_us=clock,
            quota=quota_of(config.quota, identity.author),
        ) as store,
        open_search_index(home.index, store, facts_of) as index,
    ):
        network.alice = store
        events = Events()
        node = Node(
            config=config,
            home=home,
            identity=identity,
            store=store,
            index=index,
            workers=workers,
            network=network,
            events=events,
            tokens=Tokens.from_seed(identity.device_did, identity.token_seed),
            cursors=Cursors(os.urandom(32)),
            api=URL,
            clock_us=clock,
            started_s=clock() / 1_000_000,
            standings=Standings(store, identity),
            waiting=WaitingBook(store),
            page_codes=PageCodes(lambda: clock() / 1_000_000),
            pairing=alone(Keeper(home, identity, store, os.urandom), events, clock),
            attesting=Attesting(
                Attestor(store, workers, network, identity, clock), config.attest, events
            ),
            attested=AttestedOrder(store, identity.did),
            stop=asyncio.Event(),
            relays=Unrelayed(),
            direct=Direct(None),
            keeping=Keeping(store, network, size_of(config.keep.budget)),
        )
        allowed = allowed_names(
            "127.0.0.1",
            PORT,
            more_origins=config.api.allowed_origins,
            is_loopback=config.api.is_loopback,
        )
        app = make_app(node, allowed)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url=URL)
        alice = Alice(node, app, network, client)
        client.headers.update(alice.bearer())
        try:
            async with client:
                yield alice
        finally:
            await workers.close()
