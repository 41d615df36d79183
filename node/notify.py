"""Tells systemd how the daemon is doing (sd_notify), where a service manager listens."""

import socket


def sd_notify(address: str | None, message: str) -> bool:
    """Send e.g. `READY=1` to `address`, the value of NOTIFY_SOCKET; False where it is not set."""
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.connect(address)
        connection.sendall(message.encode())
    return True
