"""Where UDP is gathered, and who is asked how it looks from outside: STUN and TURN servers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from p2p.protocol.errors import LocalProtocolError
from p2p.transport.address import Address

SERVERS_MAX = 4  # asked at once, each from every address of this machine
TURN_CHARACTERS_MAX = 1_024

_TURN = re.compile(
    r"turn:(?P<user>[^:@\s]{1,256}):(?P<secret>[^@\s]{1,512})@(?P<place>[^@?\s]+)"
    r"(\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A TURN server (RFC 8656) and what it wants to hear."""

    place: Address
    user: str
    secret: str = field(repr=False)
    transport: Literal["udp", "tcp"] = "udp"

    @classmethod
    def parse(cls, text: str) -> "Turn":
        """`turn:USER:SECRET@HOST:PORT[?transport=udp|tcp]`.

        Raises `LocalProtocolError`, which does not repeat the secret.
        """
        found = _TURN.fullmatch(text) if len(text) <= TURN_CHARACTERS_MAX else None
        if found is None:
            wanted = "turn:USER:SECRET@HOST:PORT, with ?transport=tcp where it is"
            raise LocalProtocolError("turn", f"A TURN server is written as {wanted}.")
        place = Address.parse(found["place"])
        transport = cast('Literal["udp", "tcp"]', found["transport"] or "udp")
        return cls(place, found["user"], found["secret"], transport)


@dataclass(frozen=True, slots=True)
class IceServers:
    """What gathering asks. With `hosts`, only those of this machine's addresses are used."""

    stun: Sequence[Address] = ()
    turn: Sequence[Turn] = ()
    hosts: Sequence[str] | None = None
