"""`host:port`, as people type it and peers announce it."""

from dataclasses import dataclass

from p2p.protocol.errors import LocalProtocolError

HOST_CHARACTERS_MAX = 253  # DNS, RFC 1035
DEFAULT_PORT = 4747


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect to; an IPv6 host is kept without its brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, default_port: int = DEFAULT_PORT) -> "Address":
        """`host`, `host:port` or `[v6]:port`; raises `LocalProtocolError`."""
        host, separator, port = text.strip().rpartition(":")
        if not separator or host.endswith(":") or (text.endswith("]") and "[" in text):
            host, port = text.strip(), str(default_port)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        is_host = 0 < len(host) <= HOST_CHARACTERS_MAX and host.isprintable() and " " not in host
        is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 1 << 16
        if not is_host or not is_port or not set("[]/\\@?#").isdisjoint(host):
            raise LocalProtocolError("address", f"{text[:80]!r} is not host:port.")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
