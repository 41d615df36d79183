"""Real nodes without a daemon: production stores and sessions over sockets on loopback."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crdt import cbor
from crdt.area import Area
from crdt.blob import CHUNK_BYTES, BlobId
from crdt.change import DocumentId, Signer, device_capabilities
from crdt.did import decode_did_key, encode_did_key
from crdt.document import Editor
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey
from p2p.protocol.config import SessionConfig
from p2p.protocol.effects import BlobProgress, Synced
from p2p.protocol.errors import DUPLICATE, LocalProtocolError, PeerLeft, RemoteProtocolError
from p2p.protocol.frames import encode_frame
from p2p.protocol.hint import Hint
from p2p.protocol.offences import (
    HOST_DEBT_MAX,
    HOST_STRIKES_MAX,
    REFUSED_FIRST_S,
    UNWANTED_STRIKES,
    Offences,
)
from p2p.transport.address import Address
from p2p.transport.channels import open_tcp
from p2p.transport.connection import Connection
from p2p.transport.dialler import Dialler
from p2p.transport.door import Door
from p2p.transport.fetching import NoPeerHasIt
from p2p.transport.network import Arrival, Network, NetworkEvent, PeerCame, PeerWent, sync_with
from p2p.transport.place import Place
from storage.appended import AppendedEvent
from storage.errors import OverQuota
from storage.listing import Listing
from storage.store import Store, open_store
from tests.e2e.mallory import Mallory
from tests.p2p.transport.test_inbound import silent_carriers

WAIT_S = 20.0


def no_listing(document: DocumentId, value: Mapping[str, Any]) -> Listing | None:
    return None


@dataclass
class Node:
    """What a daemon has of p2p, and nothing else of it."""

    signer: Signer
    store: Store
    network: Network
    dialler: Dialler
    offences: Offences
    port: int
    events: asyncio.Queue[NetworkEvent]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def record(self, name: str) -> DocumentId:
        return DocumentId(COMMONS, self.signer.author, "pub", "mod", name.encode())

    async def write(self, name: str, text: str) -> None:
        def edit(editor: Editor) -> None:
            editor.put(("head", "description"), text)

        assert await self.store.commit(self.record(name), edit, self.signer) is not None

    async def heard(self, kind: type[NetworkEvent]) -> NetworkEvent:
        while True:
            event = await self.events.get()
            if isinstance(event, kind):
                return event


def signer_of(number: int) -> Signer:
    author = SigningKey.from_seed(bytes([number]) * 32)
    device = SigningKey.from_seed(bytes([number + 100]) * 32)
    capabilities = device_capabilities(author, DeviceKey(device.public))
    return Signer(device, AuthorKey(author.public), capabilities)


@asynccontextmanager
async def open_node(
    home: Path, number: int, *addresses: str, proxies: tuple[str, ...] = ()
) -> AsyncGenerator[Node]:
    """A node in a task of its own, cancelled at the end as a daemon is; where it says it is."""
    ready: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run_node(home.with_suffix(".db"), number, ready, addresses, proxies)
    )
    both: list[asyncio.Future[Any]] = [ready, running]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield ready.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def run_node(
    path: Path,
    number: int,
    ready: asyncio.Future[Node],
    addresses: tuple[str, ...] = (),
    proxies: tuple[str, ...] = (),
) -> None:
    signer = signer_of(number)
    events: asyncio.Queue[NetworkEvent] = asyncio.Queue()
    config = SessionConfig(
        device=signer.device,
        author=signer.author,
        capability=signer.capabilities["pub"],
        interests=((COMMONS, Area()),),
        addresses=addresses,
    )
    async with (
        open_store(path, project=no_listing, clock_us=wall_us) as store,
        asyncio.TaskGroup() as tasks,
    ):
        offences = Offences()
        network = Network(
            config,
            store,
            static_private=bytes([number]) * 32,
            wall_us=wall_us,
            notify=events.put_nowait,
            door=Door(offences, is_blocked=store.is_blocked, clock_s=time.time),
            tasks=tasks,
            proxies=[ip_address(one) for one in proxies],
        )

        def pass_on(event: AppendedEvent) -> None:
            network.appended(event.namespace, event.ids, source=event.source)

        store.subscribe(pass_on)
        server = await asyncio.start_server(network.accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        dialler = Dialler(network, Random(number), tasks)
        try:
            ready.set_result(Node(signer, store, network, dialler, offences, port, events))
            await asyncio.Event().wait()
        finally:
            server.close()


def wall_us() -> int:
    return time.time_ns() // 1_000


async def until(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await is_true():  # noqa: ASYNC110 - another node's store has no event for us
            await asyncio.sleep(0.01)


async def test_what_alice_wrote_before_and_after_meeting_reaches_bob(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await alice.write("before", "written alone")
        connection = await bob.network.connect(alice.address)
        assert connection.device == alice.signer.device.public
        await until(lambda: bob.store.read(alice.record("before")))

        await alice.write("after", "pushed at once")
        await until(lambda: bob.store.read(alice.record("after")))
        state = await bob.store.read(alice.record("after"))
        assert state is not None
        assert state.value["head"] == {"description": "pushed at once"}


async def test_a_blob_of_many_chunks_is_fetched_and_a_missing_one_is_not(tmp_path: Path) -> None:
    content = Random(1).randbytes(3 * CHUNK_BYTES + 17)
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(content)
        await bob.network.connect(alice.address)
        steps: list[tuple[int, int]] = []
        await bob.network.fetch_blob(
            blob,
            lambda told: steps.append((told.chunks, told.chunks_total)),
            size_bytes_max=len(content),
        )
        assert await bob.store.read_blob(blob) == content
        assert steps[-1] == (4, 4)
        with pytest.raises(NoPeerHasIt):
            await bob.network.fetch_blob(type(blob)(bytes(32)), unwatched, size_bytes_max=1 << 20)


def unwatched(told: BlobProgress) -> None:
    """Nobody looks at the progress."""


async def test_a_blob_larger_than_its_record_says_is_not_fetched(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(bytes(CHUNK_BYTES + 1))
        await bob.network.connect(alice.address)
        with pytest.raises(NoPeerHasIt):
            await bob.network.fetch_blob(blob, unwatched, size_bytes_max=CHUNK_BYTES)
        assert not await bob.store.has_blob(blob)


async def test_two_that_dial_each_other_at_once_keep_one_connection(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        alice.dialler.hint(Hint("", (bob.address,), "static"))
        bob.dialler.hint(Hint("", (alice.address,), "static"))

        async def is_settled() -> bool:
            both = (*alice.network.connections, *bob.network.connections)
            return (
                len(both) == 2
                and len({one.role for one in both}) == 2
                and all(one.is_greeted for one in both)
            )

        await until(is_settled)
        await alice.write("one", "said once")
        await until(lambda: bob.store.read(alice.record("one")))


@pytest.mark.parametrize("caller", ["alice", "bob"])
@pytest.mark.parametrize("leaver", ["alice", "bob"])
async def test_a_fetch_waits_for_the_next_session_where_one_makes_way_for_it(
    tmp_path: Path, leaver: str, caller: str
) -> None:
    """Whoever of the two ends the old one, and whoever opens the new one."""
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        nodes = {"alice": alice, "bob": bob}
        blob = await alice.store.put_blob(b"what bob wants")
        await sync_with(await bob.network.connect(alice.address))
        (old,) = nodes[leaver].network.connections
        old.leave(DUPLICATE, "There is a newer connection.")
        for node in nodes.values():
            await node.heard(PeerWent)
        assert not bob.network.connections
        nothing = BlobId(bytes(32))
        async with asyncio.TaskGroup() as tasks:
            fetch = tasks.create_task(bob.network.fetch_blob(blob, size_bytes_max=99))
            none = tasks.create_task(in_vain(bob, nothing))
            # Of this one it is known at once what of it is here, thus also of those before it.
            await bob.network.fetch_blob(await bob.store.put_blob(b"held"), size_bytes_max=99)
            assert not fetch.done()
            to = {"alice": bob, "bob": alice}[caller]
            await nodes[caller].network.connect(to.address)
        assert await bob.store.read_blob(blob) == b"what bob wants"
        assert "1 connected peer does not hold it" in none.result()


async def in_vain(node: Node, blob: BlobId) -> str:
    """Why it cannot be fetched."""
    with pytest.raises(NoPeerHasIt) as caught:
        await node.network.fetch_blob(blob, size_bytes_max=99)
    return caught.value.sentence


async def test_a_session_that_is_being_left_is_no_answer_to_a_new_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        first = await bob.network.connect(alice.address)
        reach = bob.network.reach

        async def reach_and_leave(place: Place) -> Connection:
            found = await reach(place)
            first.leave("over", "The test goes on.")  # it is still in the table
            return found

        monkeypatch.setattr(bob.network, "reach", reach_and_leave)
        second = await bob.network.connect(alice.address)
        assert second is not first
        assert isinstance(await sync_with(second), Synced)


async def test_a_static_peer_is_met_again_after_it_left(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        async with open_node(tmp_path / "b", 2) as bob:
            alice.dialler.hint(Hint("", (bob.address,), "static"))
            await alice.heard(PeerCame)
            address = bob.address
        await alice.heard(PeerWent)
        assert [found.address for found in alice.dialler.found] == [address]


async def test_who_is_refused_hears_why_waits_and_comes_back_when_forgiven(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        device = bob.signer.device.public
        for _ in range(2):
            alice.offences.fault(device, "", "flood", "too much", now_s=time.time())
        bob.dialler.hint(Hint("", (alice.address,), "static"))
        gone = await bob.heard(PeerWent)
        assert isinstance(gone, PeerWent)
        assert gone.reason.code == "refused-for-now"
        assert 0 < gone.reason.wait_s <= REFUSED_FIRST_S
        (found,) = bob.dialler.found
        assert "too much (flood)" in found.last_error
        # Alone, the back-off would have called several times by now.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await bob.heard(PeerWent)
        assert alice.offences.forgive(device)
        bob.dialler.hurry()
        await bob.heard(PeerCame)


async def test_whom_this_node_refuses_it_calls_only_when_a_person_says_so(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        for _ in range(2):
            alice.offences.fault(
                bob.signer.device.public, "", "flood", "too much", now_s=time.time()
            )
        alice.dialler.hint(Hint("", (bob.address,), "static"))
        gone = await alice.heard(PeerWent)
        assert isinstance(gone, PeerWent)
        assert "This node refuses that one" in gone.reason.sentence
        assert not alice.network.connections
        connection = await alice.network.connect(bob.address)
        assert connection.device == bob.signer.device.public


@pytest.mark.parametrize("speaks_first", [True, False], ids=["in a session", "at the greeting"])
async def test_who_blocked_is_told_so_and_who_was_blocked_is_not(
    tmp_path: Path, speaks_first: bool
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        if speaks_first:
            alice.dialler.hint(Hint("", (bob.address,), "static"))
            await alice.heard(PeerCame)
        await alice.store.block(bob.signer.author, "")
        alice.network.drop_blocked()
        alice.dialler.hint(Hint("", (bob.address,), "static"))
        here, there = await alice.heard(PeerWent), await bob.heard(PeerWent)
        assert isinstance(here, PeerWent)
        assert here.reason.code == "blocked"
        assert here.reason.sentence.startswith("You blocked who is there")
        (found,) = alice.dialler.found
        assert found.last_error == here.reason.sentence
        assert isinstance(there, PeerWent)
        assert there.reason.code == "refused-for-now"
        assert there.reason.sentence == "The other side takes no calls of this node for now."


async def test_when_a_host_is_closed_those_of_it_that_gave_something_stay(tmp_path: Path) -> None:
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        open_node(tmp_path / "c", 3) as carol,
    ):
        await bob.write("one", "something good")
        await bob.network.connect(alice.address)
        await until(lambda: alice.store.read(bob.record("one")))
        await carol.network.connect(alice.address)
        await until(lambda: carol.store.read(bob.record("one")))
        while alice.offences.admits("127.0.0.1", now_s=time.time()):
            alice.offences.fault(None, "127.0.0.1", "handshake", "junk", now_s=time.time())
        with pytest.raises(PeerLeft):  # before the handshake
            await carol.network.reach(Address.parse(alice.address))
        # Junk that fails a handshake which had begun makes room.
        alice.network.close_to("127.0.0.1")
        gone = await carol.heard(PeerWent)
        while isinstance(gone, PeerWent) and gone.connection is None:
            gone = await carol.heard(PeerWent)
        assert isinstance(gone, PeerWent)
        assert gone.reason.code == "refused-for-now"
        assert [one.device for one in alice.network.connections] == [bob.signer.device.public]


async def test_a_node_that_dials_itself_stops_trying(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        alice.dialler.hint(Hint("", (alice.address,), "static"))

        async def has_given_up() -> bool:
            return not alice.dialler.found

        await until(has_given_up)
        with pytest.raises(PeerLeft, match="itself"):
            await alice.network.connect(alice.address)


@pytest.mark.parametrize("address", ["", "127.0.0.1:0", "127.0.0.1:99999", "a b:1", "/:1"])
async def test_what_is_no_address_is_said_before_anything_is_tried(
    tmp_path: Path, address: str
) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        with pytest.raises(LocalProtocolError, match="host:port"):
            await alice.network.connect(address)


async def test_whoever_adds_a_carrier_adds_its_opener(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        place = circuit_to(alice)
        with pytest.raises(PeerLeft, match="no way to circuit:"):
            await bob.network.connect(place)
        bob.network.channels.openers["circuit"] = lambda _: open_tcp(Address.parse(alice.address))
        assert (await bob.network.connect(place)).device == alice.network.device
        with pytest.raises(PeerLeft, match="another device"):  # the relay leads elsewhere
            await bob.network.connect(circuit_to(bob))


def circuit_to(node: Node) -> str:
    device = encode_did_key(node.network.device).removeprefix("did:key:")
    return f"circuit:{device}@relay.example:1"


async def test_the_first_frame_says_what_a_channel_is_for(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        arrived: asyncio.Queue[Arrival] = asyncio.Queue()

        async def handler(arrival: Arrival) -> None:
            arrived.put_nowait(arrival)
            await arrival.stream.write([b"welcome"])

        alice.network.serve_arrivals((64, 66), handler)
        mallory = Mallory()
        async with mallory.calls(alice.address) as call:
            first = cbor.encode([66, "a token"])
            await call.stream.write([first])
            assert await call.stream.read() == b"welcome"
        arrival = await arrived.get()
        assert (arrival.stream.device, arrival.first) == (mallory.device.public, first)
        async with mallory.calls(alice.address) as call:
            await call.stream.write([cbor.encode([62, "nobody serves this"])])
            assert await call.last_words() == "frame-kind"
        alice.offences.fault(mallory.device.public, "", "x", "It did.", now_s=time.time())
        alice.offences.fault(mallory.device.public, "", "x", "It did.", now_s=time.time())
        async with mallory.calls(alice.address) as call:
            await call.stream.write([first])
            assert await call.last_words() == "refused-for-now"
        assert arrived.empty()


async def test_a_closed_host_does_not_come_in_by_a_data_channel(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        while alice.offences.admits("192.0.2.1", now_s=time.time()):
            alice.offences.fault(None, "192.0.2.1", "handshake", "junk", now_s=time.time())
        async with silent_carriers(1) as (carrier,):
            alice.network.take_in(carrier, Address("192.0.2.1", 40_000))
            assert carrier.transport.is_closing()


async def test_a_refused_device_tires_its_host_whatever_it_calls_for(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:

        async def handler(arrival: Arrival) -> None:
            raise AssertionError

        alice.network.serve_arrivals((64,), handler)
        mallory = Mallory()
        for _ in range(2):
            alice.offences.fault(mallory.device.public, "", "x", "It did.", now_s=time.time())
        calls = 0
        with suppress(PeerLeft):
            while calls < HOST_STRIKES_MAX:
                async with mallory.calls(alice.address) as call:
                    await call.stream.write([cbor.encode([64, "a token"])])
                    assert await call.last_words() == "refused-for-now"
                calls += 1
        assert 0 < calls <= (HOST_STRIKES_MAX + HOST_DEBT_MAX) // UNWANTED_STRIKES
        assert not alice.offences.admits("127.0.0.1", now_s=time.time())


@pytest.mark.parametrize("is_session", [True, False], ids=["a session", "an arrival"])
async def test_bytes_that_somebody_altered_on_the_way_are_held_against_no_device(
    tmp_path: Path, is_session: bool
) -> None:
    """Else whoever can touch a few packets has honest devices refused for a day."""
    async with open_node(tmp_path / "a", 1) as alice:

        async def handler(arrival: Arrival) -> None:
            try:
                await arrival.stream.read()
            except RemoteProtocolError as error:
                alice.network.blame(arrival.stream.device, arrival.caller.host, error)
                raise PeerLeft("over", "It is over.") from error

        alice.network.serve_arrivals((64,), handler)
        mallory = Mallory()
        for _ in range(3):
            async with mallory.calls(alice.address) as call:
                first = encode_frame(call.hello()) if is_session else cbor.encode([64, "a token"])
                await call.stream.write([first])
                await call.stream.carrier.write(b"\x00\x20" + bytes(32))
                await call.last_words()
            async with asyncio.timeout(WAIT_S):
                await alice.heard(PeerWent)
        assert alice.offences.strikes(mallory.device.public, now_s=time.time()) == 0
        assert alice.offences.refused_now(now_s=time.time()) == []
        assert alice.offences.forgive_host("127.0.0.1"), "it counts against the host"


@pytest.mark.parametrize("failure", [OverQuota("The disk is full."), ValueError("a bug")])
async def test_whoever_serves_a_channel_and_fails_costs_that_channel_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:

        async def handler(arrival: Arrival) -> None:
            raise failure

        alice.network.serve_arrivals((64,), handler)
        async with Mallory().calls(alice.address) as call:
            await call.stream.write([cbor.encode([64, "a token"])])
            assert not await call.last_words()
        assert str(failure) in caplog.text
        connection = await bob.network.connect(alice.address)
        assert type(await sync_with(connection)).__name__ == "Synced"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x00",
        b"\xff\xff" + bytes(70_000),
        b"\x00\x20" + bytes(32),
        b"",
    ],
)
async def test_a_stranger_that_talks_garbage_is_cut_off_and_the_node_stays(
    tmp_path: Path, garbage: bytes
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        reader, writer = await asyncio.open_connection("127.0.0.1", alice.port)
        writer.write(garbage)
        if not garbage:
            writer.write_eof()
        async with asyncio.timeout(WAIT_S):
            await reader.read()
        writer.close()
        connection = await bob.network.connect(alice.address)
        assert type(await sync_with(connection)).__name__ == "Synced"


async def test_a_session_that_is_asked_to_leave_says_why(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        connection = await bob.network.connect(alice.address)
        connection.leave("disconnected", "Enough for today.")
        event = await alice.heard(PeerWent)
        assert isinstance(event, PeerWent)
        assert event.reason.sentence == "Enough for today."
        assert not bob.network.connections


async def test_a_node_that_stops_while_it_says_goodbye_does_not_dial_again(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        async with asyncio.timeout(WAIT_S), open_node(tmp_path / "b", 2) as bob:
            bob.dialler.hint(Hint("", (alice.address,), "static"))
            await bob.heard(PeerCame)
            for connection in bob.network.connections:
                connection.leave("stopping", "The node is stopping.")
        assert isinstance(await alice.heard(PeerWent), PeerWent)


async def test_who_is_at_an_address_that_a_person_named_is_known_once_they_answered(
    tmp_path: Path,
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        bob.dialler.hint(Hint("", (alice.address,), "static"))
        await bob.heard(PeerCame)
        (found,) = bob.dialler.found
        assert decode_did_key(found.device_did) == alice.signer.device.public
        assert bob.dialler.forget(alice.signer.device.public) == [found]
