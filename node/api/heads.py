"""Heads of requests, bounded: the parser itself takes an address or a header of any length."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 64 << 10
"""A token has 300 bytes, a query at most 8 KiB, a browser's cookies of other ports a few KiB."""


class BoundedHeads(HttpToolsProtocol):
    """Answers 400 and closes once a head is too long, whether or not it ever ends."""

    _is_in_head = False
    _fed_bytes = 0
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # One header that goes on and on is told to nobody before its end.
        self._fed_bytes += len(data)
        is_endless = self._is_in_head and self._fed_bytes > HEAD_BYTES_MAX
        if is_endless and not self.transport.is_closing():
            self.send_400_response(f"A request's head has at most {HEAD_BYTES_MAX} bytes here.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._fed_bytes, self._head_bytes = True, 0, 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def _count(self, size_bytes: int) -> None:
        """What a callback raises the parser reports as a malformed request."""
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head is too long")
