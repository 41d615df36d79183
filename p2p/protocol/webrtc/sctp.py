"""What a packet of SCTP (RFC 9260) has to be like before a library may read it.

    packet     ports 2 + 2, tag 4, checksum 4, chunks
    chunk      type 1, flags 1, length 2, body
    parameter  type 2, length 2, value

Chunks and parameters are padded to multiples of four bytes.

aiortc 1.16.0 reads a parameter of length 0 without end, and what it has read so far grows.
"""

from collections.abc import Mapping
from typing import Final

PACKET_HEADER_BYTES: Final = 12
TLV_HEADER_BYTES: Final = 4
CHUNKS_MAX = 64  # of one packet, which a datagram carries
PARAMETERS_MAX = 64  # of one chunk

# Chunks of parameters, by type -> what of their body comes before them: INIT, INIT ACK, HEARTBEAT
# and its answer, ABORT, ERROR, RE-CONFIG.
_FIXED_BYTES: Final[Mapping[int, int]] = {1: 16, 2: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0}


def is_sound(packet: bytes) -> bool:
    """Whether every chunk, and every parameter of those that have some, is of its length."""
    at = PACKET_HEADER_BYTES
    for _ in range(CHUNKS_MAX + 1):
        if len(packet) - at < TLV_HEADER_BYTES:
            return at >= PACKET_HEADER_BYTES + TLV_HEADER_BYTES
        size = int.from_bytes(packet[at + 2 : at + 4], "big")
        if not TLV_HEADER_BYTES <= size <= len(packet) - at:
            return False
        fixed = _FIXED_BYTES.get(packet[at])
        body = packet[at + TLV_HEADER_BYTES : at + size]
        if fixed is not None and not _has_sound_parameters(body[fixed:]):
            return False
        at += size + -size % 4
    return False


def _has_sound_parameters(data: bytes) -> bool:
    at = 0
    for _ in range(PARAMETERS_MAX + 1):
        if len(data) - at < TLV_HEADER_BYTES:
            return True
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if not TLV_HEADER_BYTES <= size <= len(data) - at:
            return False
        at += size + -size % 4
    return False
