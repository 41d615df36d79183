"""How a relay is named in settings, on the command line and in invites.

    relay://[z6Mk…@]host[:port][?token=…]       TCP
    ws://…, wss://[z6Mk…@]host[:port]/path[?token=…]

z6Mk… is the device key of the relay: no other is believed there. The token is a secret: what is
shown, logged or put into a card is `str`, which leaves it out.
"""

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.relay.limits import TOKEN_BYTES_MAX
from p2p.transport.place import DirectPlace, parse_direct

SCHEMES = ("relay", "ws", "wss")
DID = "did:key:"
TOKEN = "token="
URL_CHARACTERS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """Where a relay is, whose key it has to prove (or any), and what it wants to hear."""

    place: DirectPlace
    device: bytes | None = None
    token: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, text: str) -> "RelayUrl":
        """Raises `LocalProtocolError`, which does not repeat the token."""
        shown = text.strip().partition("?")[0]
        scheme, separator, rest = shown.partition("://")
        query = text.strip().partition("?")[2]
        is_token = query.startswith(TOKEN) and "&" not in query
        token = unquote(query.removeprefix(TOKEN)).encode()
        is_fitting = scheme in SCHEMES and len(text) <= URL_CHARACTERS_MAX
        if not separator or not is_fitting or (query and not is_token):
            raise _no_relay(shown)
        if len(token) > TOKEN_BYTES_MAX:
            raise LocalProtocolError(
                "relay-url", f"The token of {shown[:80]} has over {TOKEN_BYTES_MAX} bytes."
            )
        pin, at, where = rest.rpartition("@")
        try:
            device = decode_did_key(DID + pin) if at else None
            place = parse_direct(where if scheme == "relay" else f"{scheme}://{where}")
        except (CrdtError, LocalProtocolError) as error:
            raise _no_relay(shown) from error
        return cls(place, device, token)

    def __str__(self) -> str:
        pin = f"{encode_did_key(self.device).removeprefix(DID)}@" if self.device else ""
        scheme, separator, rest = str(self.place).partition("://")
        return f"{scheme}://{pin}{rest}" if separator else f"relay://{pin}{scheme}"

    @property
    def secret_text(self) -> str:
        """With the token: for this node's own files and for invites only."""
        return f"{self}?{TOKEN}{quote(self.token, safe='')}" if self.token else str(self)


def _no_relay(shown: str) -> LocalProtocolError:
    return LocalProtocolError(
        "relay-url", f"{shown[:80]!r} is no relay: relay://HOST:PORT, ws://… or wss://HOST/PATH."
    )
