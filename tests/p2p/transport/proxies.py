"""Something in between, which passes bytes on until it is told not to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

BLOCK_BYTES = 16_384


class Proxy:
    """One port that leads to another one."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.passed = 0  # bytes, both ways
        self.is_stuck = False  # nothing is read or passed on any more, and nobody hears of it
        self.cut_after: int | None = None  # bytes
        self.header = b""  # added to the head of whatever HTTP comes in
        self.delay_s = 0.0  # one way; what comes meanwhile is on its way too
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Every connection through it ends."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, inner[1]}
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pipe(reader, inner[1], self.header))
                tasks.create_task(self._pipe(inner[0], writer))
        finally:
            self._tasks.discard(task)
            self._writers -= {writer, inner[1]}

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, header: bytes = b""
    ) -> None:
        try:
            while data := await reader.read(BLOCK_BYTES):
                if header:
                    data, header = data.replace(b"\r\n", b"\r\n" + header, 1), b""
                if self.is_stuck:
                    await asyncio.Event().wait()
                self.passed += len(data)
                if self.cut_after is not None and self.passed >= self.cut_after:
                    self.cut_after = None
                    self.cut()
                if self.delay_s:
                    asyncio.get_running_loop().call_later(self.delay_s, _write, writer, data)
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncGenerator[Proxy]:
    """A proxy to `port` of this machine; it is shut and cut on leaving."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.end()
