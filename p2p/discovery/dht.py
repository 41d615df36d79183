"""The public table: BitTorrent's DHT by libtorrent, without any torrent. BEP 5, BEP 44.

What is used of libtorrent 2.1.1: `session` with settings that leave its DHT alone running,
`dht_put_mutable_item`, `dht_get_mutable_item`, `session_state` for the routing table, and the
alerts `dht_stats_alert`, `dht_put_alert` and `dht_mutable_item_alert` (once without and once with
`authoritative`, which is the end of the search). It runs in threads of its own and writes a byte to
a socket when there are alerts; they are fetched at most every `DRAIN_S`, so whoever floods the node
with questions costs no more than what its queue of alerts holds. What blocks is called in a thread.
"""

import asyncio
import hashlib
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Any, TypeVar

import libtorrent as lt
import msgspec

from crdt.ed25519 import SigningKey

JOIN_S = 30.0
ANSWER_S = 60.0  # a search asks dozens of machines, some of which are gone
DRAIN_S = 0.05
PENDING_MAX = 64  # searches and writes at a time; more wait for their turn
VALUE_BYTES_MAX = 996  # 1,000 as bencoded bytes
NODES_MAX = 200  # remembered for the next start; a few that are still there are enough
LOOK_S = 0.25
# What this node keeps for others: a few hundred small items, whoever floods it with more.
ITEMS_MAX = 300
KEYS_MAX = 300  # of torrents; we do not serve them, and cannot refuse them
PEERS_MAX = 50  # of each of those
ALERTS_MAX = 500
UPLOAD_BYTES_PER_S = 8_000
BOOTSTRAP = (
    "dht.libtorrent.org:25401",
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
)
"""The routers that most clients begin at; asked only where a person turned the DHT on."""

T = TypeVar("T")


class Dht:
    """One node of the table, while it is open."""

    def __init__(self, session: lt.session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._turns = asyncio.Semaphore(PENDING_MAX)
        self._joined = asyncio.Event()
        self._finds: dict[tuple[bytes, bytes], asyncio.Future[bytes | None]] = {}
        self._puts: dict[tuple[bytes, bytes], asyncio.Future[int]] = {}
        self._found: dict[tuple[bytes, bytes], tuple[int, bytes]] = {}

    @property
    def port(self) -> int:
        """The UDP port it answers at."""
        return self._session.listen_port()

    def meet(self, host: str, port: int) -> None:
        """Another node of the table, by its IP address."""
        self._session.add_dht_node((host, port))

    async def join(self) -> bool:
        """Until it knows another node: before that nothing is found. False: nobody answers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_S):
                while not self._joined.is_set():
                    self._session.post_dht_stats()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._joined.wait()
        return self._joined.is_set()

    async def find(self, public: bytes, salt: bytes) -> bytes | None:
        """The newest value under this key, or None where nobody has one."""
        where = (public, salt)
        if (running := self._finds.get(where)) is not None:
            return await asyncio.shield(running)
        async with self._turns:
            self._finds[where] = future = self._loop.create_future()
            try:
                self._session.dht_get_mutable_item(public, salt)
                return await _in_time(future, None)
            finally:
                self._finds.pop(where, None)
                self._found.pop(where, None)
                future.cancel()

    async def put(self, key: SigningKey, salt: bytes, value: bytes) -> int:
        """Writes over what lies there; gives how many nodes keep it now."""
        assert len(value) <= VALUE_BYTES_MAX, f"a value of {len(value)} bytes"
        where = (key.public, salt)
        async with self._turns:
            self._puts[where] = future = self._loop.create_future()
            try:
                self._session.dht_put_mutable_item(expanded(key.seed), key.public, value, salt)
                return await _in_time(future, 0)
            finally:
                if self._puts.get(where) is future:
                    del self._puts[where]
                future.cancel()

    async def nodes(self) -> tuple[str, ...]:
        """`host:port` of nodes in its routing table, at most `NODES_MAX`, for the next start."""

        def known() -> tuple[str, ...]:
            only = lt.save_state_flags_t.save_dht_state
            saved: object = lt.write_session_params(self._session.session_state(only), only)
            return _places(saved)

        return await asyncio.to_thread(known)

    def drain(self) -> None:
        """Takes what libtorrent has to tell."""
        for alert in self._session.pop_alerts():
            if isinstance(alert, lt.dht_stats_alert):
                if any(bucket["num_nodes"] for bucket in alert.routing_table):
                    self._joined.set()
            elif isinstance(alert, lt.dht_mutable_item_alert):
                self._hear_item(alert)
            elif isinstance(alert, lt.dht_put_alert):
                future = self._puts.get((alert.public_key, alert.salt))
                if future is not None and not future.done():
                    future.set_result(alert.num_success)

    def _hear_item(self, alert: lt.dht_mutable_item_alert) -> None:
        where = (alert.key, alert.salt)
        future = self._finds.get(where)
        if future is None or future.done():
            return
        # The stubs know only some of what may stand there.
        value: object = alert.item  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, bytes) and 0 < len(value) <= VALUE_BYTES_MAX:
            before = self._found.get(where)
            if before is None or alert.seq > before[0]:
                self._found[where] = (alert.seq, value)
        if alert.authoritative:
            newest = self._found.get(where)
            future.set_result(newest[1] if newest else None)


@asynccontextmanager
async def open_dht(
    host: str, *, port: int = 0, bootstrap: Sequence[str] = BOOTSTRAP, nodes: Sequence[str] = ()
) -> AsyncGenerator[Dht]:
    """Joins the table from `host`, an IP address of ours; `nodes` as `Dht.nodes` gave them.

    `port`: of UDP; 0 picks a free one.
    """
    sessions = [await asyncio.to_thread(lt.session, settings_for(host, port, bootstrap))]
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    drains = _Drains(ours, Dht(sessions[0]))
    try:
        sessions[0].set_alert_fd(theirs.fileno())
        for place in (*bootstrap, *nodes[:NODES_MAX]):
            if node := _ip_of(place):
                drains.dht.meet(*node)
        yield drains.dht
    finally:
        sessions[0].set_alert_fd(-1)
        drains.close()
        del drains
        await asyncio.to_thread(sessions.clear)  # waits for its threads
        ours.close()
        theirs.close()


class _Drains:
    """Fetches alerts when libtorrent wakes us, and not again within `DRAIN_S`."""

    def __init__(self, woken: socket.socket, dht: Dht) -> None:
        self.dht = dht
        self._woken = woken
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(woken, self._wake)

    def close(self) -> None:
        self._loop.remove_reader(self._woken)
        if self._timer:
            self._timer.cancel()

    def _wake(self) -> None:
        self._loop.remove_reader(self._woken)
        self._timer = self._loop.call_later(DRAIN_S, self._drain)

    def _drain(self) -> None:
        _empty(self._woken)
        self.dht.drain()
        self._loop.add_reader(self._woken, self._wake)


def expanded(seed: bytes) -> bytes:
    """The private key as libtorrent takes it: RFC 8032's scalar and prefix, 64 bytes."""
    digest = bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    return bytes(digest)


def settings_for(host: str, port: int, bootstrap: Sequence[str]) -> "lt.settings_pack":
    """The DHT alone, bounded. On loopback the guards against many nodes of one host are off."""
    is_loopback = ip_address(host).is_loopback
    return {
        "listen_interfaces": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "user_agent": "",
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_tcp": False,
        "enable_outgoing_tcp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "alert_mask": lt.alert_category.dht | lt.alert_category.dht_operation,
        "alert_queue_size": ALERTS_MAX,
        "dht_bootstrap_nodes": ",".join(place for place in bootstrap if not _ip_of(place)),
        "dht_upload_rate_limit": UPLOAD_BYTES_PER_S * (100 if is_loopback else 1),
        "dht_max_dht_items": ITEMS_MAX,
        "dht_max_torrents": KEYS_MAX,
        "dht_max_peers": PEERS_MAX,
        "dht_restrict_routing_ips": not is_loopback,
        "dht_restrict_search_ips": not is_loopback,
        "dht_ignore_dark_internet": not is_loopback,
        "dht_prefer_verified_node_ids": not is_loopback,
        "dht_block_ratelimit": 1_000 if is_loopback else 5,
    }


def _places(saved: object) -> tuple[str, ...]:
    """Of `{b"dht state": {b"nodes": [4 or 16 bytes of IP ‖ port u16, …], b"nodes6": …}}`.

    The package reads this, and then starts without it, so it is read here.
    """
    state = msgspec.convert(saved, dict[bytes, dict[bytes, Any]]).get(b"dht state", {})
    packed = [one for key in (b"nodes", b"nodes6") for one in state.get(key, ())]
    places: list[str] = []
    for one in packed[:NODES_MAX]:
        ip, port = ip_address(one[:-2]), int.from_bytes(one[-2:], "big")
        places.append(f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}")
    return tuple(places)


def _ip_of(place: str) -> tuple[str, int] | None:
    """None for the name of a router, which libtorrent looks up, and only asks for the way."""
    host, _, port = place.rpartition(":")
    try:
        return str(ip_address(host.strip("[]"))), int(port)
    except ValueError:
        return None


def _empty(woken: socket.socket) -> None:
    try:
        while woken.recv(4_096):
            pass
    except BlockingIOError:
        return


async def _in_time(future: asyncio.Future[T], otherwise: T) -> T:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await future
    except TimeoutError:
        return otherwise
