"""The bed does what it says, else nothing that is tested on it means anything."""

import socket
import subprocess

from tests.netns.bed import NAMESPACES, Bed, Host, network
from tests.netns.islands import islands

PORT = 4_747
SILENCE_S = 0.2  # on a network inside the kernel, where a packet takes microseconds
PACKETS = 1_000


def listening(bed: Bed, host: Host) -> socket.socket:
    with bed.inside(host):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host.address, PORT))
    made.settimeout(SILENCE_S)
    return made


def heard(at: socket.socket) -> int:
    """How many datagrams have come."""
    count = 0
    try:
        while at.recv(64):
            count += 1
    except TimeoutError:
        return count
    return count


def test_a_home_reaches_out_and_is_not_reached(bed: Bed) -> None:
    world = islands(bed)
    relay, alice = listening(bed, world.relay), listening(bed, world.alice.machine)
    with relay, alice:
        alice.sendto(b"hello", (world.relay.address, PORT))
        _, source = relay.recvfrom(64)
        assert source == (world.alice.router.address, PORT)  # the NAT's, with the port kept
        relay.sendto(b"back", source)
        assert alice.recv(64) == b"back"
        bob = listening(bed, world.bob.machine)
        with bob:
            bob.sendto(b"hello", source)  # nobody asked him
            assert heard(alice) == 0


def test_what_is_cut_goes_nowhere_and_nobody_is_told(bed: Bed) -> None:
    street = bed.segment("10.77.1.0/24")
    alice, bob = (bed.host(name, street) for name in ("alice", "bob"))
    with listening(bed, alice) as hers, listening(bed, bob) as his:
        hers.sendto(b"1", (bob.address, PORT))
        assert heard(his) == 1
        bed.cut(alice)
        hers.sendto(b"2", (bob.address, PORT))
        assert heard(his) == 0
        his.sendto(b"3", (alice.address, PORT))  # the other way it still goes
        assert heard(hers) == 1
        bed.heal(alice)
        hers.sendto(b"4", (bob.address, PORT))
        assert heard(his) == 1


def test_some_packets_are_lost(bed: Bed) -> None:
    street = bed.segment("10.77.1.0/24")
    alice, bob = (bed.host(name, street) for name in ("alice", "bob"))
    with listening(bed, alice) as hers, listening(bed, bob) as his:
        his.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PACKETS * 4_096)
        bed.lose(alice, 20)
        arrived = 0
        for _ in range(10):
            for _ in range(PACKETS // 10):
                hers.sendto(b"1", (bob.address, PORT))
            arrived += heard(his)
        assert PACKETS * 0.7 < arrived < PACKETS * 0.9


def test_a_symmetric_router_takes_another_port_for_each_end(bed: Bed) -> None:
    world = islands(bed, is_symmetric=True)
    relay, alice = listening(bed, world.relay), listening(bed, world.alice.machine)
    with relay, alice:
        alice.sendto(b"hello", (world.relay.address, PORT))
        _, source = relay.recvfrom(64)
        assert source[0] == world.alice.router.address
        assert source[1] != PORT


def test_nothing_is_left_of_a_bed(namespaces: None) -> None:
    with network() as bed:
        host = bed.host("alice", bed.segment("10.77.1.0/24"))
        with bed.inside(host):
            sleeping = subprocess.Popen(["sleep", "600"])
        assert (NAMESPACES / host.namespace).exists()
    assert sleeping.wait(10) == -9
    assert not (NAMESPACES / host.namespace).exists()
