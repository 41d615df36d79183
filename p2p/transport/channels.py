"""Opening channels: a carrier to a place, and the Noise handshake inside of it.

Which way leads to which kind of place is a table, `Channels.openers`: whoever adds a carrier adds
its opener.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import TypeAlias

from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from p2p.protocol.errors import (
    LocalProtocolError,
    PeerLeft,
    PeerTimeout,
    RemoteProtocolError,
    SyncError,
)
from p2p.protocol.handshake import check_payload, make_payload
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.place import Place, PlaceKind, RelayedPlace, is_local, kind_of
from p2p.transport.stream import Binder, FrameStream, open_stream

LOG = logging.getLogger(__name__)
HANDSHAKE_S = 10.0
CIRCUIT_S = 15.0  # a relay is asked, and joined at both ends
WEBRTC_S = 40.0  # signals go both ways, and candidates are tried in turn
OPEN_S: Mapping[PlaceKind, float] = {
    "tcp": HANDSHAKE_S,
    "websocket": HANDSHAKE_S,
    "circuit": CIRCUIT_S,
    "webrtc": WEBRTC_S,
}

Opener: TypeAlias = Callable[[Place], Awaitable[Carrier]]
"""A carrier to a place of the opener's kind; raises `SyncError`, and `OSError` where it cannot."""
MayLead: TypeAlias = Callable[[str], bool]
"""Whether a name may lead to that place."""


def tcp_opener(may_lead: MayLead) -> Opener:
    """The opener of `host:port`, for names that lead where `may_lead` says alone."""
    return partial(open_tcp, may_lead=may_lead)


async def open_tcp(
    place: Place, *, tls: ssl.SSLContext | None = None, may_lead: MayLead | None = None
) -> StreamCarrier:
    """The opener of `host:port`."""
    assert isinstance(place, Address)
    name = place.host if tls else None
    failed: OSError | None = None
    for host in await _hosts_of(place, may_lead):
        try:
            reader, writer = await asyncio.open_connection(
                host, place.port, ssl=tls, server_hostname=name
            )
            return StreamCarrier(reader, writer)
        except OSError as error:
            failed = failed or error
    raise failed or OSError("no address has that name")


async def _hosts_of(place: Address, may_lead: MayLead | None) -> Sequence[str]:
    """What to connect to for it. Raises `PeerLeft` for a name that leads to this machine.

    Whoever has a name may let it lead anywhere, and somewhere else each time: it is asked for once.
    What says by itself that it is of this machine was judged by whoever followed it.
    """
    if may_lead is None or is_local(str(place)) or _is_number(place.host):
        return (place.host,)
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    hosts = list(dict.fromkeys(str(info[4][0]) for info in infos))
    allowed = [host for host in hosts if may_lead(str(Address(host, place.port)))]
    if hosts and not allowed:
        fault = f"{place} is a name of this machine itself; if you mean that, name its address."
        raise PeerLeft("unreachable", fault)
    return allowed


def _is_number(host: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(host))
    return False


class Channels:
    """What this node proves itself with, and the ways that it knows."""

    def __init__(
        self,
        device: SigningKey,
        *,
        static_private: bytes,
        openers: Mapping[PlaceKind, Opener],
    ) -> None:
        self.device = DeviceKey(device.public)
        self.openers: dict[PlaceKind, Opener] = dict(openers)
        self._static_private = static_private
        self._binder = Binder(make=lambda static: make_payload(device, static), check=check_payload)

    async def open(self, place: Place) -> FrameStream:
        """A channel to whoever is at `place`; a named device, or nobody. Raises `SyncError`."""
        carrier = await self.reach(place)
        stream = await self.shake_hands(carrier, is_initiator=True)
        if isinstance(place, RelayedPlace) and stream.device != place.device:
            await stream.close()
            raise PeerLeft("another-device", f"{place} leads to another device than it names.")
        return stream

    async def reach(self, place: Place) -> Carrier:
        """A carrier to `place`, on which nothing was said yet. Raises `SyncError`."""
        opener = self.openers.get(kind_of(place))
        if opener is None:
            raise PeerLeft("unreachable", f"This node has no way to {place}.")
        try:
            async with asyncio.timeout(OPEN_S[kind_of(place)]):
                return await opener(place)
        except (OSError, TimeoutError) as error:  # a certificate that is not right is one too
            why = str(error) or "no answer in time"
            raise PeerLeft("unreachable", f"{place} cannot be reached: {why}.") from error
        except UnicodeError as error:  # of the resolver, for names that DNS has no room for
            why = "no machine can have that name"
            raise PeerLeft("unreachable", f"{place} cannot be reached: {why}.") from error
        except SyncError:
            raise
        except Exception as error:  # places come from anybody: a bug of ours costs this call alone
            LOG.exception("a place could not be tried")
            raise LocalProtocolError("internal-error", "This node could not go on.") from error

    async def shake_hands(self, carrier: Carrier, *, is_initiator: bool) -> FrameStream:
        """The channel inside `carrier`, which is closed where there is none. Raises `SyncError`."""
        try:
            stream = await self._shake_hands(carrier, is_initiator=is_initiator)
            if stream.device == self.device:
                raise PeerLeft("self", "This address is the node itself.")
        except BaseException:
            await carrier.close()
            raise
        return stream

    async def _shake_hands(self, carrier: Carrier, *, is_initiator: bool) -> FrameStream:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                return await open_stream(
                    carrier,
                    static_private=self._static_private,
                    is_initiator=is_initiator,
                    binder=self._binder,
                )
        except TimeoutError as error:
            raise PeerTimeout("handshake-timeout", "The handshake took too long.") from error
        except CrdtError as error:
            raise RemoteProtocolError("handshake", str(error)) from error
        except SyncError:
            raise
        except Exception as error:  # a bug of ours costs this connection, not the node
            LOG.exception("a handshake failed")
            raise LocalProtocolError("internal-error", "This node could not go on.") from error
