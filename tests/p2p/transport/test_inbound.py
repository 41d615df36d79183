"""Who may call at once: bounds of all, and of each host."""

from dataclasses import dataclass

from p2p.transport.address import Address
from p2p.transport.carrier import CarrierName
from p2p.transport.inbound import INBOUND_OF_HOST_MAX, Caller, Inbound


@dataclass
class Silent:
    """A carrier of somebody who says nothing."""

    name: CarrierName = "tcp"
    is_bulk: bool = True
    is_open: bool = True

    async def read_exactly(self, size: int) -> bytes:
        raise NotImplementedError

    async def read_some(self, size_max: int) -> bytes:
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.is_open = False


def test_the_addresses_of_one_ipv6_network_are_one_host() -> None:
    inbound, carriers = Inbound(), [Silent() for _ in range(INBOUND_OF_HOST_MAX + 1)]
    for number, carrier in enumerate(carriers):
        source = Address(f"2001:db8::{number + 1:x}", 4_747)
        assert inbound.make_room(source.host)
        inbound.enter(Caller(source, carrier))
    assert [one.is_open for one in carriers].count(True) == INBOUND_OF_HOST_MAX
    assert not carriers[0].is_open, "the oldest of the same network makes room"
    assert len(inbound.of("2001:db8::/64")) == INBOUND_OF_HOST_MAX
