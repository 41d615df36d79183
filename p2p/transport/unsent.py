"""How much of what was written is still here: in the loop's buffer, and in the kernel's."""

import asyncio
import struct
import sys
from contextlib import suppress


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """What the other end's kernel has not said that it has; without the kernel's part where this
    system cannot tell that."""
    waiting = transport.get_write_buffer_size()
    if sys.platform == "win32":
        return waiting
    import fcntl
    import termios

    socket = transport.get_extra_info("socket")
    if socket is None:
        return waiting
    with suppress(OSError, ValueError):  # it is closed, or none that has a queue
        told = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
        waiting += int(struct.unpack("i", told)[0])
    return waiting
