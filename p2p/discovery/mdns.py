"""Finding peers on the local network by multicast DNS: service `_panspermia._tcp.local.`.

What arrives is a hint that anybody on the network can forge: who is really there shows when a
channel is opened. A node that dies is not withdrawn, so this says nothing about life either.
Source: RFC 6762, RFC 6763; instance names are unique per device.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from typing import cast

import ifaddr
from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from p2p.protocol.hint import Hint

LOG = logging.getLogger(__name__)
SERVICE = "_panspermia._tcp.local."
RESOLVE_MS = 3_000
RETRY_S = 60.0  # a laptop joins a network now and then
LOOK_S = 15.0  # between two looks at the machine's addresses, as when it joins another network
RESOLVING_MAX = 64  # a flood of announcements resolves this many at a time; the rest are left out
ISSUED_US_MAX = 1 << 53
ADDRESSES_MAX = 8  # of one peer; real hosts have few, forged answers may have hundreds
TXT_DEVICE = b"device"
TXT_PARAMETERS = b"parameters"
TXT_GROUP = b"group"
TXT_ISSUED = b"issued"  # Unix time in µs of the device's card, decimal
TXT_INVITES = b"invites"
SIGN_BYTES = 12
SIGNS_MAX = 8  # of open invites; always as many are announced, those that are none are random
FILLED_ANEW_S = 600.0  # so that a change of them does not tell of an invite


@dataclass(frozen=True, slots=True)
class Announcement:
    """What this node says of itself: all of it public, none of it proof."""

    device_did: str
    parameters: str
    addresses: tuple[str, ...]  # IPv4, dotted
    port: int
    group: str = ""  # nodes of other groups are left alone
    issued_us: int = 0  # when this device's card was issued; 0 where it has none

    @property
    def instance(self) -> str:
        """A DNS label of at most 63 bytes."""
        return self.device_did.removeprefix("did:key:")[:60]


def local_addresses(listen_host: str) -> tuple[str, ...]:
    """The IPv4 addresses at which a listener on `listen_host` can be reached."""
    if listen_host not in ("0.0.0.0", "", "::"):
        return (listen_host,)
    return tuple(sorted(machine_addresses(), key=lambda ip: (IPv4Address(ip).is_loopback, ip)))


def machine_addresses() -> Iterator[str]:
    """Every IPv4 address of this machine."""
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str):  # IPv6 comes as a tuple
                yield ip.ip


class Mdns:
    """Announces this node and tells of the others, until cancelled."""

    def __init__(
        self,
        announcement: Announcement,
        found: Callable[[Hint], None],
        *,
        addresses: Callable[[], tuple[str, ...]] | None = None,
        issued_us: Callable[[], int] | None = None,
    ) -> None:
        """`addresses`: those to announce, asked anew when the machine's own have changed.

        `issued_us`: of this device's card, which is announced anew when it is another.
        """
        self._own = announcement
        self._found = found
        self._addresses = addresses or (lambda: announcement.addresses)
        self._issued_us = issued_us or (lambda: announcement.issued_us)
        self._resolving: set[str] = set()
        self._signs: tuple[bytes, ...] = ()
        self._shown = _filled(())
        self._is_shown = asyncio.Event()
        self._name = f"{announcement.instance}.{SERVICE}"

    def show(self, signs: tuple[bytes, ...]) -> None:
        """Announces these among fillers from now on: nobody who does not know one sees any."""
        if set(signs[:SIGNS_MAX]) != set(self._signs):
            self._signs = signs[:SIGNS_MAX]
            self._is_shown.set()

    async def run(self) -> None:
        """Goes on trying where there is no network to announce on; peers can be named without."""
        while True:
            try:
                await self._announce_and_browse()
            except* (OSError, ZeroconfError) as group:
                LOG.warning("mDNS does not work here: %s", group.exceptions[0])
                await asyncio.sleep(RETRY_S)

    async def _announce_and_browse(self) -> None:
        """Until the machine has other addresses than now."""
        present = set(machine_addresses())
        issued_us = self._issued_us()
        self._own = replace(self._own, addresses=self._addresses(), issued_us=issued_us)
        # zeroconf would stumble over one that is gone, and leave its sockets open.
        interfaces = [address for address in self._own.addresses if address in present]
        if not interfaces:
            raise OSError("none of this node's addresses is there any more")
        zeroconf = AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
        self._resolving.clear()  # who was cancelled before its first step has not left
        try:
            async with asyncio.TaskGroup() as tasks:
                # Browsing first: registering probes for 1.5 s before it returns.
                browser = self._browse(zeroconf, tasks)
                try:
                    self._shown = _filled(self._signs)
                    self._name = f"{self._own.instance}.{SERVICE}"
                    await self._announce(zeroconf)
                    following = tasks.create_task(self._follow_signs(zeroconf), name="invites")
                    while self._is_as_announced(present):  # noqa: ASYNC110 - no event tells
                        await asyncio.sleep(LOOK_S)
                    following.cancel()
                finally:
                    await browser.async_cancel()
        finally:
            try:
                await zeroconf.async_close()
            except asyncio.CancelledError:
                # In its goodbyes, which take a quarter of a second: left are the sockets.
                await zeroconf.async_close()
                raise

    def _is_as_announced(self, present: set[str]) -> bool:
        is_same_card = self._issued_us() == self._own.issued_us
        return is_same_card and set(machine_addresses()) == present

    async def _announce(self, zeroconf: AsyncZeroconf) -> None:
        # The package gives the inner awaitable no type.
        register = cast(
            Callable[..., Awaitable[Awaitable[None]]],
            zeroconf.async_register_service,  # pyright: ignore[reportUnknownMemberType]  (see above)
        )
        service = self._service()
        announcing = await register(service, allow_name_change=True)  # probes for the name
        await announcing
        self._name = service.name

    async def _follow_signs(self, zeroconf: AsyncZeroconf) -> None:
        """Announces anew where invites come or go, and now and then where none does."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FILLED_ANEW_S):
                    await self._is_shown.wait()
            self._is_shown.clear()
            self._shown = _filled(self._signs)
            update = cast(
                Callable[..., Awaitable[Awaitable[None]]],
                zeroconf.async_update_service,  # pyright: ignore[reportUnknownMemberType]  (as above)
            )
            await (await update(self._service()))

    def _service(self) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            SERVICE,
            self._name,
            parsed_addresses=list(self._own.addresses),
            port=self._own.port,
            properties={
                TXT_DEVICE: self._own.device_did.encode(),
                TXT_PARAMETERS: self._own.parameters.encode(),
                TXT_GROUP: self._own.group.encode(),
                TXT_ISSUED: str(self._own.issued_us).encode(),
                TXT_INVITES: self._shown,
            },
            server=f"{self._own.instance}.local.",
        )

    def _browse(self, zeroconf: AsyncZeroconf, tasks: asyncio.TaskGroup) -> AsyncServiceBrowser:
        def changed(
            zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
        ) -> None:
            is_news = state_change is not ServiceStateChange.Removed
            is_own = name.startswith(f"{self._own.instance}.")
            if not is_news or is_own or self._knows(zeroconf, name):
                return
            if name not in self._resolving and len(self._resolving) < RESOLVING_MAX:
                self._resolving.add(name)
                tasks.create_task(self._resolve(zeroconf, name), name="resolve a found peer")

        return AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[changed])

    def _knows(self, zeroconf: Zeroconf, name: str) -> bool:
        """Tells of a peer that said all at once, as honest ones do: nothing is to be asked."""
        try:
            info = AsyncServiceInfo(SERVICE, name)
            is_known = info.load_from_cache(zeroconf)
        except (ValueError, ZeroconfError) as error:
            LOG.debug("%r cannot be a peer: %r", name, error)
            return True
        if is_known and (hint := self._hint(info)):
            self._found(hint)
        return is_known

    async def _resolve(self, zeroconf: Zeroconf, name: str) -> None:
        try:
            info = AsyncServiceInfo(SERVICE, name)
            if await info.async_request(zeroconf, RESOLVE_MS) and (hint := self._hint(info)):
                self._found(hint)
        except (OSError, ValueError, ZeroconfError) as error:
            # A name that no question can hold, say: one forged packet must not stop the search.
            LOG.debug("%r cannot be resolved: %r", name, error)
        finally:
            self._resolving.discard(name)

    def _hint(self, info: AsyncServiceInfo) -> Hint | None:
        """What a stranger claims, or nothing where it is not even well formed."""
        texts = info.properties
        if (texts.get(TXT_PARAMETERS) or b"") != self._own.parameters.encode():
            return None
        if (texts.get(TXT_GROUP) or b"") != self._own.group.encode():
            return None
        device = (texts.get(TXT_DEVICE) or b"")[:128].decode("ascii", "replace")
        addresses = usable_addresses(info.parsed_addresses(IPVersion.V4Only), info.port)
        if not addresses or device == self._own.device_did:
            return None
        issued = (texts.get(TXT_ISSUED) or b"")[:20]
        issued_us = min(int(issued), ISSUED_US_MAX) if issued.isdigit() else 0
        shown = (texts.get(TXT_INVITES) or b"")[: SIGNS_MAX * SIGN_BYTES]
        return Hint(device, addresses, "mdns", issued_us, shown)


def _filled(signs: Sequence[bytes]) -> bytes:
    """`SIGNS_MAX` of them in no order; what is missing is random, and looks the same."""
    fillers = [os.urandom(SIGN_BYTES) for _ in range(SIGNS_MAX - len(signs))]
    return b"".join(sorted([*signs, *fillers]))


def usable_addresses(hosts: Sequence[str], port: int | None) -> tuple[str, ...]:
    """`host:port` of every address one can connect to, at most `ADDRESSES_MAX`."""
    if not port or not 0 < port < 1 << 16:
        return ()
    usable: list[str] = []
    for host in hosts[:ADDRESSES_MAX]:
        with suppress(ValueError):
            ip = ip_address(host)
            if not (ip.is_multicast or ip.is_unspecified):
                usable.append(f"{ip}:{port}")
    return tuple(usable)
