"""Descriptions: what Chromium and aiortc write is read; whatever else is refused or passed over."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.webrtc.sdp import (
    CANDIDATES_MAX,
    SDP_BYTES_MAX,
    SDP_LINES_MAX,
    Candidate,
    Description,
    Fingerprint,
    parse_sdp,
    write_sdp,
)

PRINT = Fingerprint("sha-256", ":".join(f"{number:02X}" for number in range(32)))
OFFER = Description(
    username="abcd",
    password="p" * 22,
    fingerprints=[PRINT],
    setup="actpass",
    candidates=[
        Candidate("1", 2_130_706_431, "192.0.2.7", 40_000, "host"),
        Candidate("2", 1_694_498_815, "198.51.100.9", 40_001, "srflx"),
        Candidate("3", 16_777_215, "2001:db8::1", 3_478, "relay"),
    ],
    is_complete=True,
)

# As Chromium writes it for a page without a camera: its address is a name that only mDNS knows.
CHROMIUM = """v=0\r
o=- 5215376216377311424 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS\r
m=application 55171 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 198.51.100.9\r
a=candidate:2999745851 1 udp 2113937151 3f1c8b1e-8a3a-4f8e-9d8f-0c5b8e1a2b3c.local 55171 typ host \
generation 0 network-cost 999\r
a=candidate:842163049 1 udp 1677729535 198.51.100.9 55171 typ srflx raddr 0.0.0.0 rport 0 \
generation 0 network-cost 999\r
a=candidate:233762139 1 tcp 1518149375 192.0.2.7 9 typ host tcptype active generation 0\r
a=ice-ufrag:Yb/s\r
a=ice-pwd:v9OpRUPKCjiVwKbBRLgxQ3Xa\r
a=ice-options:trickle\r
a=fingerprint:sha-256 PRINT\r
a=setup:actpass\r
a=mid:0\r
a=sctp-port:5000\r
a=max-message-size:262144\r
""".replace("PRINT", PRINT.value)


def test_what_is_written_is_read_again() -> None:
    assert parse_sdp(write_sdp(OFFER), "actpass") == OFFER


def test_an_offer_of_chromium_is_read_without_its_names() -> None:
    said = parse_sdp(CHROMIUM, "actpass")
    assert [one.host for one in said.candidates] == ["198.51.100.9"]
    assert not said.is_complete  # its own checks show the address that it does not say
    assert (said.username, said.sctp_port, said.mid) == ("Yb/s", 5_000, "0")


NOBODYS = ("::", "0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
           "fe80::1%eth0", "::ffff:127.0.0.1", "example.org", "a.local", "1")  # fmt: skip


@pytest.mark.parametrize("host", NOBODYS)
def test_an_address_of_nobody_is_left_out(host: str) -> None:
    text = write_sdp(OFFER).replace("192.0.2.7", host)
    said = parse_sdp(text, "actpass")
    assert [one.host for one in said.candidates] == ["198.51.100.9", "2001:db8::1"]
    assert not said.is_complete


def test_of_many_candidates_the_first_are_tried() -> None:
    line = "a=candidate:1 1 udp 1 192.0.2.7 4000 typ host\r\n"
    text = write_sdp(OFFER) + line * 60
    assert len(parse_sdp(text, "actpass").candidates) == CANDIDATES_MAX


WRONG = {
    "empty": "",
    "no version": write_sdp(OFFER)[5:],
    "a video": write_sdp(OFFER).replace("m=application", "m=video"),
    "two sections": write_sdp(OFFER) + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "no section": write_sdp(OFFER).replace("m=", "x="),
    "an answer": write_sdp(OFFER).replace("actpass", "active"),
    "passive": write_sdp(OFFER).replace("actpass", "passive"),
    "two setups": write_sdp(OFFER) + "a=setup:actpass\r\n",
    "lite": write_sdp(OFFER) + "a=ice-lite\r\n",
    "no user": write_sdp(OFFER).replace("a=ice-ufrag", "a=x"),
    "short user": write_sdp(OFFER).replace("abcd", "abc"),
    "long user": write_sdp(OFFER).replace("abcd", "a" * 257),
    "wrong user": write_sdp(OFFER).replace("abcd", "ab:d"),
    "short password": write_sdp(OFFER).replace("p" * 22, "p" * 21),
    "no fingerprint": write_sdp(OFFER).replace("a=fingerprint", "a=x"),
    "five fingerprints": write_sdp(OFFER) + f"a=fingerprint:sha-256 {PRINT.value}\r\n" * 4,
    "weak hash": write_sdp(OFFER).replace("sha-256", "sha-1"),
    "short digest": write_sdp(OFFER).replace(":1F", ""),
    "not ASCII": write_sdp(OFFER).replace("abcd", "абвг"),
    "a zero byte": write_sdp(OFFER).replace("abcd", "ab\0d"),
    "port 0": write_sdp(OFFER).replace("sctp-port:5000", "sctp-port:0"),
    "port 65536": write_sdp(OFFER).replace("sctp-port:5000", "sctp-port:65536"),
    "a candidate's port": write_sdp(OFFER).replace("40000", "99999"),
    "a candidate's priority": write_sdp(OFFER).replace("2130706431", "4294967296"),
    "a short candidate": write_sdp(OFFER) + "a=candidate:1 1 udp\r\n",
    "digits of elsewhere": write_sdp(OFFER).replace("40000", "٤٠٠٠٠"),
    "many lines": write_sdp(OFFER) + "a=x\r\n" * SDP_LINES_MAX,
    "long": write_sdp(OFFER) + "a=" + "x" * SDP_BYTES_MAX,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_offer_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="webrtc-sdp"):
        parse_sdp(text, "actpass")


@given(st.lists(st.one_of(st.sampled_from(CHROMIUM.split("\r\n")), st.text(max_size=40))))
def test_lines_in_any_order_raise_nothing_else(lines: list[str]) -> None:
    for text in ("\r\n".join(lines), "v=0\n" + "\n".join(lines)):
        with suppress(RemoteProtocolError):
            said = parse_sdp(text, "actpass")
            assert parse_sdp(write_sdp(said), "actpass").candidates == said.candidates
