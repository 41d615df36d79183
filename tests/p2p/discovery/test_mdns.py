"""Real multicast DNS on the loopback interface."""

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncZeroconf

from p2p.discovery import mdns
from p2p.discovery.mdns import Announcement, Mdns, local_addresses, usable_addresses
from p2p.protocol.hint import Hint

PAIR = (("GroupAlice", 4705), ("GroupBob", 4706))
FOUND_S = 20.0  # the running node hears of a newcomer within 1.2 s; a loaded machine needs more


def announcement(name: str, port: int, group: str) -> Announcement:
    """In a group of this test's own: others announce on this machine at the same time."""
    return Announcement(f"did:key:z6Mk{name}", "willow25+blake3", ("127.0.0.1",), port, group)


async def test_alice_and_bob_find_each_other_and_not_themselves() -> None:
    finds: asyncio.Queue[tuple[str, Hint]] = asyncio.Queue()
    group = secrets.token_hex(8)
    async with asyncio.timeout(FOUND_S), asyncio.TaskGroup() as tasks:

        def note(name: str) -> Callable[[Hint], None]:
            return lambda hint: finds.put_nowait((name, hint))

        nodes = [
            tasks.create_task(Mdns(announcement(name, port, group), note(name)).run())
            for name, port in (("FindAlice", 4701), ("FindBob", 4702))
        ]
        found: dict[str, Hint] = {}
        while len(found) < 2:
            name, hint = await finds.get()
            found[name] = hint
        for node in nodes:
            node.cancel()
    assert found["FindAlice"] == Hint("did:key:z6MkFindBob", ("127.0.0.1:4702",), "mdns")
    assert found["FindBob"] == Hint("did:key:z6MkFindAlice", ("127.0.0.1:4701",), "mdns")
    assert len(asyncio.all_tasks()) == 1


async def test_who_is_cancelled_again_while_it_says_goodbye_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[AsyncZeroconf] = []

    def make(*, interfaces: list[str], ip_version: IPVersion) -> AsyncZeroconf:
        made.append(AsyncZeroconf(interfaces=interfaces, ip_version=ip_version))
        return made[-1]

    monkeypatch.setattr(mdns, "AsyncZeroconf", make)
    group = secrets.token_hex(8)
    found = asyncio.Event()
    async with asyncio.timeout(2 * FOUND_S), asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(Mdns(announcement("Gone", 4714, group), lambda _: None).run())
        bob = Mdns(announcement("Here", 4715, group), lambda _: found.set())
        staying = tasks.create_task(bob.run())
        await found.wait()
        transports = [reader.transport for reader in made[0].zeroconf.engine.readers]
        leaving.cancel()
        while made[0].zeroconf.registry.async_get_service_infos():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        assert len(transports) == 2
        assert all(transport.is_closing() for transport in transports)
        staying.cancel()


@pytest.mark.parametrize(
    ("hosts", "port", "usable"),
    [
        (["192.0.2.1"], 4747, ("192.0.2.1:4747",)),
        (["224.0.0.1", "0.0.0.0", "not an address"], 4747, ()),
        (["192.0.2.1"], None, ()),
        (["192.0.2.1"], 70_000, ()),
    ],
)
def test_a_forged_answer_gives_nothing_to_connect_to(
    hosts: list[str], port: int | None, usable: tuple[str, ...]
) -> None:
    assert usable_addresses(hosts, port) == usable


def test_a_forged_answer_with_many_addresses_is_cut() -> None:
    assert len(usable_addresses(["192.0.2.1"] * 500, 4747)) == 8


def test_a_listener_everywhere_names_real_addresses_loopback_last() -> None:
    addresses = local_addresses("0.0.0.0")
    assert "127.0.0.1" in addresses
    assert "0.0.0.0" not in addresses
    assert local_addresses("127.0.0.1") == ("127.0.0.1",)


async def test_nodes_of_another_group_are_left_alone() -> None:
    finds: asyncio.Queue[Hint] = asyncio.Queue()
    stranger = announcement("GroupCarol", 4704, secrets.token_hex(8))
    name_of_theirs = secrets.token_hex(8)
    group = [announcement(name, port, name_of_theirs) for name, port in PAIR]
    async with asyncio.timeout(FOUND_S), asyncio.TaskGroup() as tasks:
        nodes = [tasks.create_task(Mdns(stranger, finds.put_nowait).run())]
        met: asyncio.Queue[Hint] = asyncio.Queue()
        nodes += [tasks.create_task(Mdns(one, met.put_nowait).run()) for one in group]
        found = {(await met.get()).device_did for _ in PAIR}  # by then all have announced
        for node in nodes:
            node.cancel()
    assert found == {one.device_did for one in group}
    assert finds.empty()


async def test_a_forged_name_does_not_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no text grow when they are decoded, and fit no question any more."""
    kind = f"_{secrets.token_hex(7)}"  # of this test's own: what is forged troubles nobody else
    monkeypatch.setattr(mdns, "SERVICE", f"{kind}._tcp.local.")
    finds: asyncio.Queue[Hint] = asyncio.Queue()
    async with asyncio.timeout(2 * FOUND_S), asyncio.TaskGroup() as tasks:
        nodes = [tasks.create_task(Mdns(announcement("Al", 4707, ""), finds.put_nowait).run())]
        for name, port in (("Bob", 4708), ("Carol", 4709)):
            one = Mdns(announcement(name, port, ""), lambda hint: None)
            nodes.append(tasks.create_task(one.run()))
            assert (await finds.get()).addresses == (f"127.0.0.1:{port}",)
            say_to_all(forged_pointer(kind.encode(), b"\xff" * 63))
        for node in nodes:
            node.cancel()


async def test_names_that_lead_nowhere_keep_nobody_from_being_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is asked about for some seconds; whoever says all in one packet need not wait."""
    kind = f"_{secrets.token_hex(7)}"
    monkeypatch.setattr(mdns, "SERVICE", f"{kind}._tcp.local.")
    monkeypatch.setattr(mdns, "RESOLVE_MS", 1_000 * FOUND_S)
    monkeypatch.setattr(mdns, "RESOLVING_MAX", 3)
    finds: asyncio.Queue[Hint] = asyncio.Queue()
    async with asyncio.timeout(FOUND_S / 2), asyncio.TaskGroup() as tasks:
        alice = Mdns(announcement("Al", 4712, ""), finds.put_nowait)
        nodes = [tasks.create_task(alice.run())]
        while len(alice._resolving) < 3:  # pyright: ignore[reportPrivateUsage]  until she is busy
            for number in range(3):
                say_to_all(forged_pointer(kind.encode(), b"nowhere %d" % number))
            await asyncio.sleep(0.05)
        bob = Mdns(announcement("Bob", 4713, ""), lambda hint: None)
        nodes.append(tasks.create_task(bob.run()))
        assert (await finds.get()).addresses == ("127.0.0.1:4713",)
        for node in nodes:
            node.cancel()


async def test_a_machine_that_joins_another_network_is_found_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = ["127.0.0.1"]
    monkeypatch.setattr(mdns, "machine_addresses", lambda: iter(machine))
    monkeypatch.setattr(mdns, "LOOK_S", 0.1)
    finds: asyncio.Queue[Hint] = asyncio.Queue()
    group = secrets.token_hex(8)
    async with asyncio.timeout(2 * FOUND_S), asyncio.TaskGroup() as tasks:
        bob = Mdns(
            announcement("MovingBob", 4710, group),
            lambda hint: None,
            addresses=lambda: local_addresses("0.0.0.0"),
        )
        alice = Mdns(announcement("StayingAlice", 4711, group), finds.put_nowait)
        nodes = [tasks.create_task(one.run()) for one in (alice, bob)]
        assert (await finds.get()).addresses == ("127.0.0.1:4710",)
        machine.append("127.0.0.2")
        while set((await finds.get()).addresses) != {"127.0.0.1:4710", "127.0.0.2:4710"}:
            pass
        for node in nodes:
            node.cancel()
    assert len(asyncio.all_tasks()) == 1


def forged_pointer(kind: bytes, instance: bytes) -> bytes:
    """An answer that nobody asked for: such an instance of `kind` is there, for 120 s."""
    service = b"".join(bytes([len(label)]) + label for label in (kind, b"_tcp", b"local")) + b"\0"
    there = bytes([len(instance)]) + instance + service
    head = struct.pack(">6H", 0, 0x8400, 0, 1, 0, 0)
    return head + service + struct.pack(">HHIH", 12, 1, 120, len(there)) + there


def say_to_all(message: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("", 5353))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.sendto(message, ("224.0.0.251", 5353))


async def test_a_machine_without_the_interface_is_told_and_not_killed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = Announcement("did:key:z6MkNowhere", "willow25+blake3", ("192.0.2.1",), 4703)
    running = asyncio.create_task(Mdns(nowhere, lambda hint: None).run())
    async with asyncio.timeout(FOUND_S):
        while "mDNS does not work here" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def test_a_newer_card_is_announced_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2p.discovery.mdns.LOOK_S", 0.1)
    issued = [7]
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    alice = Mdns(
        announcement("CardAlice", 4711, "cards"), lambda _: None, issued_us=lambda: issued[0]
    )
    bob = Mdns(announcement("CardBob", 4712, "cards"), heard.put_nowait)

    async def until(issued_us: int) -> None:
        while (await heard.get()).issued_us != issued_us:
            pass

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one.run()) for one in (bob, alice)]
        await until(7)
        issued[0] = 8
        await until(8)
        for task in running:
            task.cancel()
