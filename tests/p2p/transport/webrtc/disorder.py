"""Somebody between two devices whose UDP takes its time: late, and one packet before another.

As a NAT he has an address of his own for either of them, which stands in the signals in place of
theirs: `Post.meddle` opens a signal with the key of whom it is for, and seals it again.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from p2p.protocol.webrtc.signal import open_signal, seal_signal
from tests.p2p.transport.webrtc.people import NOON_US, Person, Post

LATEST_S = 0.02
DATAGRAM_BYTES_MAX = 2_048
HOST = "127.0.0.1"
CANDIDATE = re.compile(rf"(?P<before>a=candidate:\S+ 1 udp \d+ {re.escape(HOST)} )(?P<port>\d+)")

Heard: TypeAlias = Callable[[bytes, int], None]


@dataclass(eq=False)
class Disorder:
    """What was passed on, and how much of it overtook something."""

    random: Random
    passed: int = 0
    overtaken: int = 0
    _sent: int = 0
    _arrived: int = 0  # the highest number that did
    _sockets: list[socket.socket] = field(default_factory=list[socket.socket])
    _backs: dict[tuple[int, int], socket.socket] = field(
        default_factory=dict[tuple[int, int], socket.socket]
    )

    def front_of(self, port: int) -> int:
        """The port that leads to `port`."""
        front = self._socket()

        def forward(data: bytes, source: int) -> None:
            back = self._backs.get((port, source))
            if back is None:
                back = self._backs[port, source] = self._socket()
                self._read(back, lambda data, _: self._pass_on(front, data, source))
            self._pass_on(back, data, port)

        self._read(front, forward)
        return int(front.getsockname()[1])

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.remove_reader(one)
            one.close()

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind((HOST, 0))
        self._sockets.append(made)
        return made

    def _read(self, one: socket.socket, heard: Heard) -> None:
        def read() -> None:
            try:
                data, (_, port) = one.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:  # whoever was there is gone
                return
            heard(data, port)

        asyncio.get_running_loop().add_reader(one, read)

    def _pass_on(self, by: socket.socket, data: bytes, port: int) -> None:
        self._sent += 1
        number = self._sent

        def arrive() -> None:
            if by.fileno() < 0:
                return
            self.passed += 1
            self.overtaken += number < self._arrived
            self._arrived = max(self._arrived, number)
            try:
                by.sendto(data, (HOST, port))
            except OSError:
                return

        asyncio.get_running_loop().call_later(self.random.uniform(0, LATEST_S), arrive)


@contextmanager
def between(post: Post, people: Sequence[Person], seed: int) -> Generator[Disorder]:
    """All UDP between these people goes through a `Disorder`."""
    disorder = Disorder(Random(seed))
    by_key = {bytes(one.key): one for one in people}

    def meddle(device: bytes, sealed: bytes) -> tuple[bytes, bytes]:
        target = by_key[device]
        private = target.identity.sealing_private
        signal = open_signal(sealed, private, us=target.key, now_us=NOON_US)
        sdp = CANDIDATE.sub(
            lambda found: found["before"] + str(disorder.front_of(int(found["port"]))), signal.sdp
        )
        source = by_key[signal.source].identity
        public = target.identity.sealing_public
        fresh = seal_signal(replace(signal, sdp=sdp), source.device, public, now_us=NOON_US)
        return device, fresh

    post.meddle = meddle
    try:
        yield disorder
    finally:
        post.meddle = None
        disorder.close()
