import pytest

from p2p.protocol.errors import LocalProtocolError
from p2p.transport.address import DEFAULT_PORT, Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1:1", "192.0.2.1", 1),
        ("host.example", "host.example", DEFAULT_PORT),
        ("[2001:db8::1]:4000", "2001:db8::1", 4_000),
        ("[2001:db8::1]", "2001:db8::1", DEFAULT_PORT),
    ],
)
def test_what_people_type(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a:0", "a:65536", "a:١", "a b:1", "a\x1b:1", "../a:1", "[[a]]", "a]:1", "[a:1"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="is not host:port"):
        Address.parse(text)
