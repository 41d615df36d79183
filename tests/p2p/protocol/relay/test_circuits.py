"""Who gets how many circuits: a pair, a device, a host, and all of them, at relays of any size."""

import pytest

from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.effects import Conversation
from p2p.protocol.relay.frames import Circuit, Done
from tests.p2p.protocol.relay.clients import ALICE, BOB, Office


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def code(office: Office, one: Conversation, whom: bytes) -> str:
    """Why `one` gets no circuit to `whom`; empty where it does."""
    (said,) = office.say(one, frames.Call(1, whom))
    return said.code if isinstance(said, Done) else ""


def calls_of(office: Office, callers: list[Conversation], whom: bytes) -> int:
    """How many of them get a circuit."""
    said = [office.say(one, frames.Call(1, whom))[-1] for one in callers]
    return sum(isinstance(one, Circuit) for one in said)


def pairs_from(office: Office, host: str, first: int, count: int) -> int:
    """How many of so many pairs, all callers of which are at `host`, get a circuit."""
    got = 0
    for n in range(first, first + count):
        caller = office.come(key_of(2 * n), host)
        callee = office.come(key_of(2 * n + 1), f"198.51.100.{n % 250}")
        got += calls_of(office, [caller], callee.device)
    return got


def test_circuits_of_a_pair_of_a_device_and_of_all_are_bounded() -> None:
    room = 2 * limits.CIRCUITS_OF_DEVICE_MAX
    office = Office.made(circuits_max=room)
    others = [office.come(key_of(n), f"198.51.100.{n}") for n in range(200)]
    alice = office.come(ALICE)
    first = others[0]
    assert [code(office, first, ALICE) for _ in range(3)] == ["", "", "too-many-circuits"]
    codes = [code(office, one, ALICE) for one in others[1:80]]
    assert codes.count("") == limits.CIRCUITS_OF_DEVICE_MAX - 2
    assert codes[-1] == "too-many-circuits"
    codes = [code(office, others[n], others[n + 1].device) for n in range(100, 199)]
    assert codes.count("") == room - limits.CIRCUITS_OF_DEVICE_MAX
    assert codes[-1] == "relay-full"
    office.relay.circuits.expire(now_s=limits.JOIN_S)
    assert code(office, alice, first.device) == ""


def test_one_host_cannot_take_all_circuits_of_a_device() -> None:
    office = Office.made()
    office.come(BOB)
    mallorys = [office.come(key_of(n)) for n in range(100, 170)]
    assert calls_of(office, mallorys, BOB) == limits.CIRCUITS_OF_HOST_TO_DEVICE_MAX
    assert calls_of(office, [office.come(ALICE, "192.0.2.2")], BOB) == 1
    office.relay.circuits.expire(now_s=limits.JOIN_S)
    assert calls_of(office, mallorys[-1:], BOB) == 1, "they count while they last"


def test_one_host_cannot_take_all_circuits() -> None:
    office = Office.made()
    assert pairs_from(office, "192.0.2.1", 1_000, 300) == limits.CIRCUITS_OF_HOST_MAX
    office.come(BOB)
    assert calls_of(office, [office.come(ALICE, "192.0.2.2")], BOB) == 1


@pytest.mark.parametrize(
    ("room", "of_host", "of_device"),
    [(1, 1, 1), (2, 1, 1), (3, 2, 2), (10, 2, 5), (32, 8, 16), (400, 100, 64)],
)
def test_a_small_relay_has_small_shares(room: int, of_host: int, of_device: int) -> None:
    """One that keeps few circuits alive is not one host's or one device's either."""
    office = Office.made(circuits_max=room)
    assert pairs_from(office, "192.0.2.1", 1_000, room + 1) == of_host
    assert pairs_from(office, "192.0.2.2", 2_000, 1) == (1 if room > 1 else 0)

    office = Office.made(circuits_max=room)
    office.come(BOB)
    callers = [office.come(key_of(n), f"198.51.100.{n - 1_000}") for n in range(1_000, 1_080)]
    assert calls_of(office, callers, BOB) == of_device
    assert pairs_from(office, "192.0.2.2", 2_000, 1) == (1 if room > 1 else 0)


def test_one_host_cannot_take_what_a_small_relay_has_for_a_device() -> None:
    office = Office.made(circuits_max=12)
    office.come(BOB)
    mallorys = [office.come(key_of(n)) for n in range(100, 112)]
    assert calls_of(office, mallorys, BOB) == 3
    assert calls_of(office, [office.come(ALICE, "192.0.2.2")], BOB) == 1
