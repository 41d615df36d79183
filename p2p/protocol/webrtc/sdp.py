"""The part of SDP (RFC 8866, RFC 8829) that a data channel needs, read strictly and written small.

A description comes from a peer, so it is hostile: one section, of a data channel; names are never
looked up, so a candidate with one (mDNS, as browsers give) is left out, and the peer's own checks
show its address. Whatever else a browser writes is passed over.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal

from p2p.protocol.errors import RemoteProtocolError

SDP_BYTES_MAX = (
    8_192  # a browser's offer of one data channel is about 1,000, with 16 candidates 3,000
)
SDP_LINES_MAX = 128
CANDIDATES_MAX = 16  # of one side; each costs a check from every address of the other
FINGERPRINTS_MAX = 4
MESSAGE_BYTES_MAX = 16 << 10  # of one message, either way: the most that every browser takes
PRIORITY_MAX = (1 << 31) - 1  # RFC 8445, section 5.1.2
PORT_MAX = (1 << 16) - 1

CandidateType = Literal["host", "srflx", "relay"]
Setup = Literal["actpass", "active"]

# RFC 8839, section 5: ice-char; RFC 8122, section 5, of the hashes that are used.
_ICE = re.compile(r"[A-Za-z0-9+/]+")
_FOUNDATION = re.compile(r"[A-Za-z0-9+/]{1,32}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_MEDIA = re.compile(r"application [0-9]{1,5} (UDP|TCP)/DTLS/SCTP webrtc-datachannel")
_OCTET = re.compile(r"[0-9A-Fa-f]{2}")
_MID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_FINGERPRINT: Final[Mapping[str, int]] = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_TYPES: Final[Mapping[str, CandidateType]] = {"host": "host", "srflx": "srflx", "relay": "relay"}
_UFRAG_CHARACTERS = (4, 256)
_PASSWORD_CHARACTERS = (22, 256)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where one side may be reached by UDP; `host` is an IP address."""

    foundation: str
    priority: int
    host: str
    port: int
    type: CandidateType


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the DTLS certificate; it guards nothing here, for Noise inside says who is there."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Description:
    """One side of a connection: an offer where `setup` is "actpass", an answer where "active"."""

    username: str
    password: str
    fingerprints: Sequence[Fingerprint]
    setup: Setup
    candidates: Sequence[Candidate]
    is_complete: bool  # no candidate was left out, and none follows
    mid: str = "0"
    sctp_port: int = 5_000


def write_sdp(said: Description) -> str:
    """The description as a browser takes it."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {said.mid}",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{said.mid}",
        f"a=ice-ufrag:{said.username}",
        f"a=ice-pwd:{said.password}",
        *(f"a=fingerprint:{one.algorithm} {one.value}" for one in said.fingerprints),
        f"a=setup:{said.setup}",
        f"a=sctp-port:{said.sctp_port}",
        f"a=max-message-size:{MESSAGE_BYTES_MAX}",
        *(_candidate_line(one) for one in said.candidates),
    ]
    if said.is_complete:
        lines.append("a=end-of-candidates")
    return "".join(f"{line}\r\n" for line in lines)


def _candidate_line(one: Candidate) -> str:
    line = f"a=candidate:{one.foundation} 1 udp {one.priority} {one.host} {one.port} typ {one.type}"
    if one.type == "host":
        return line
    # Where it is seen from is enough; the address behind it is nobody's business (RFC 8829, 5.2.1).
    return f"{line} raddr {'::' if ':' in one.host else '0.0.0.0'} rport 9"


def parse_sdp(text: str, setup: Setup) -> Description:
    """The description in `text`, an offer or an answer as `setup` says.

    Raises `RemoteProtocolError` with the code "webrtc-sdp".
    """
    if len(text) > SDP_BYTES_MAX or len(text.encode(errors="replace")) > SDP_BYTES_MAX:
        raise _wrong(f"it is longer than {SDP_BYTES_MAX} bytes")
    if not text.isascii():
        raise _wrong("it is not ASCII")
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) > SDP_LINES_MAX or not all(line.isprintable() for line in lines):
        raise _wrong(f"it has more than {SDP_LINES_MAX} lines, or one with control characters")
    if lines[0] != "v=0":
        raise _wrong("it does not begin with v=0")
    media = [line[2:] for line in lines if line.startswith("m=")]
    if len(media) != 1 or not _MEDIA.fullmatch(media[0]):
        raise _wrong("it describes something else than one data channel")
    return _description(_attributes(lines), setup)


def _attributes(lines: Sequence[str]) -> Mapping[str, list[str]]:
    """What each `a=` says; of the section as of the session, for there is only one."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found.setdefault(name, []).append(value)
    return found


def _description(said: Mapping[str, list[str]], setup: Setup) -> Description:
    if said.get("setup") != [setup]:
        raise _wrong(f"its setup is not {setup}")
    if "ice-lite" in said:
        raise _wrong("it is of a side that makes no checks")
    fingerprints = [_fingerprint(value) for value in said.get("fingerprint", [])]
    if not 0 < len(fingerprints) <= FINGERPRINTS_MAX:
        raise _wrong("it has no fingerprint, or too many")
    lines = said.get("candidate", [])
    candidates = [one for one in map(_candidate, lines) if one is not None]
    return Description(
        username=_one(said, "ice-ufrag", _ICE, _UFRAG_CHARACTERS),
        password=_one(said, "ice-pwd", _ICE, _PASSWORD_CHARACTERS),
        fingerprints=fingerprints,
        setup=setup,
        candidates=candidates[:CANDIDATES_MAX],
        is_complete="end-of-candidates" in said and len(lines) == len(candidates),
        mid=_one(said, "mid", _MID, (1, 16)),
        sctp_port=_number(_one(said, "sctp-port", _NUMBER, (1, 5)), PORT_MAX),
    )


def _one(
    said: Mapping[str, list[str]], name: str, wanted: re.Pattern[str], sizes: tuple[int, int]
) -> str:
    values = said.get(name, [])
    if len(values) != 1 or not wanted.fullmatch(values[0]):
        raise _wrong(f"its {name} is missing, twice there or malformed")
    if not sizes[0] <= len(values[0]) <= sizes[1]:
        raise _wrong(f"its {name} is too short or too long")
    return values[0]


def _fingerprint(value: str) -> Fingerprint:
    algorithm, _, digest = value.partition(" ")
    size = _FINGERPRINT.get(algorithm.lower())
    if size is None or not re.fullmatch(
        f"([0-9A-Fa-f]{{2}}:){{{size - 1}}}[0-9A-Fa-f]{{2}}", digest
    ):
        raise _wrong("a fingerprint is malformed, or of a hash that is not used")
    return Fingerprint(algorithm.lower(), digest.upper())


def _candidate(value: str) -> Candidate | None:
    """None where it is of no use here: a name, TCP, another component, an address of nobody."""
    parts = value.split(" ")
    if len(parts) < 8 or parts[6] != "typ" or not _FOUNDATION.fullmatch(parts[0]):
        raise _wrong("a candidate is malformed")
    component, priority = _number(parts[1], 256), _number(parts[3], PRIORITY_MAX)
    port = _number(parts[5], PORT_MAX)
    try:
        host = ip_address(parts[4])
    except ValueError:
        return None
    is_usable = not (host.is_multicast or host.is_unspecified or host.is_reserved)
    if not is_usable or getattr(host, "scope_id", None) or str(host) == "255.255.255.255":
        return None
    kind = _TYPES.get(parts[7])
    if component != 1 or parts[2].lower() != "udp" or kind is None:
        return None
    return Candidate(parts[0], priority, str(host), port, kind)


def _number(text: str, most: int) -> int:
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= most:
        raise _wrong("a number is malformed or out of its range")
    return int(text)


def _wrong(why: str) -> RemoteProtocolError:
    return RemoteProtocolError("webrtc-sdp", f"a WebRTC description cannot be used: {why}")
