"""Where a node listens is where it says that it does."""

import socket

import pytest

from node.listening import listen
from p2p.discovery.mdns import local_addresses


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"])
def test_a_node_answers_at_every_address_that_it_announces(address: str) -> None:
    if address.startswith("[") and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with listen(address) as listener:
        host, port = listener.getsockname()[:2]
        announced = local_addresses(host)
        assert "127.0.0.1" in announced
        for one in announced:
            socket.create_connection((one, port), timeout=5).close()
