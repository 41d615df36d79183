"""The STUN responder of a relay: UDP beside its TCP port, for peers that look for their address.

Its answers are small, and each host gets only some, so that it neither amplifies nor reflects much
to whoever's address was forged. What it remembers is bounded, and nothing of it is an address that
it tells to anybody else.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from p2p.protocol.limits import TokenBucket
from p2p.protocol.offences import host_of
from p2p.protocol.stun import answer_stun

# One node asks a few times a minute from each of its addresses; many may share an address.
ANSWERS_OF_HOST_PER_S = 10.0
ANSWERS_OF_HOST_BURST = 100.0
ANSWERS_PER_S = 2_000.0  # of all: 4 % of a core
ANSWERS_BURST = 4_000.0
HOSTS_MAX = 4_096  # whose share is remembered; the least recent go


class StunResponder(asyncio.DatagramProtocol):
    """Answers binding requests and drops all else in silence."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, monotonic."""
        self.answered = self.dropped = 0
        """Datagrams, for metrics."""
        self._clock = clock
        self._of_all = TokenBucket.full(ANSWERS_PER_S, ANSWERS_BURST, now_s=clock())
        self._of_host: OrderedDict[str, TokenBucket] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def pause_writing(self) -> None:
        """The kernel takes no more for now, so nothing is piled up here."""
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        host, port = addr[0], addr[1]
        answer = self._answer(data, host, port)
        if answer is None or self._transport is None:
            self.dropped += 1
            return
        self.answered += 1
        self._transport.sendto(answer, addr)

    def error_received(self, exc: Exception) -> None:
        """Somebody does not listen at the port that it asked from."""

    def _answer(self, data: bytes, host: str, port: int) -> bytes | None:
        if self._is_full:
            return None
        answer = answer_stun(data, host, port)  # cheaper than to look up a share
        if answer is None or not self._share(host).take(now_s=self._clock()):
            return None
        return answer if self._of_all.take(now_s=self._clock()) else None

    def _share(self, host: str) -> TokenBucket:
        name = host_of(host)
        share = self._of_host.get(name)
        if share is None:
            share = TokenBucket.full(
                ANSWERS_OF_HOST_PER_S, ANSWERS_OF_HOST_BURST, now_s=self._clock()
            )
            self._of_host[name] = share
        self._of_host.move_to_end(name)
        if len(self._of_host) > HOSTS_MAX:
            self._of_host.popitem(last=False)
        return share

    @property
    def hosts_remembered(self) -> int:
        return len(self._of_host)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])


@asynccontextmanager
async def stun_responder(host: str, port: int) -> AsyncGenerator[StunResponder]:
    """Answers at `host` and UDP `port` (0: a free one) until it is left. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    transport, responder = await loop.create_datagram_endpoint(
        lambda: StunResponder(loop.time), local_addr=(host, port)
    )
    try:
        yield responder
    finally:
        with suppress(OSError):
            transport.close()
