"""The one digest that names payloads: BLAKE3.

Willow'25 takes WILLIAM3, BLAKE3 with three changes; in Python that is a thousand times slower, and
no package has it. The digest is signed within every entry, so the choice has a name, `PARAMETERS`,
which belongs to the handshake: a peer that says another name is refused.
"""

from blake3 import blake3

PARAMETERS = "willow25+blake3"
DIGEST_BYTES = 32


def payload_digest(payload: bytes | memoryview) -> bytes:
    """The 32-byte name of `payload`."""
    return blake3(payload).digest()
