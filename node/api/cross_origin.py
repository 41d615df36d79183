"""Pages from elsewhere that may call this node: what a browser wants to hear before it lets them.

Only those of `api.allowed_origins` hear it, each its own name and never `*`. Everybody else's pages
are refused by the guard, and read nothing even of that: the browser keeps it from them.
"""

from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = b"GET, HEAD, POST, PUT, DELETE"
REQUEST_HEADERS: Final = (
    b"authorization, content-encoding, content-type, idempotency-key, if-none-match, if-range,"
    b" last-event-id, range, x-checksum, x-snapshot-compressed"
)
RESPONSE_HEADERS: Final = (
    b"accept-ranges, content-disposition, content-range, etag, link, location, retry-after,"
    b" x-checksum, x-snapshot, x-tick"
)
ASKED_AGAIN_S: Final = b"600"
"""Short: an origin that is taken off the list is soon refused."""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """Around the guard, so that a page can read why it was refused. `origins`: those configured."""

    app: ASGIApp
    origins: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.origins:
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"origin"]
        is_allowed = len(given) == 1 and given[0].decode("latin-1") in self.origins
        # A cache must not hand to one page what was meant for another.
        more: Headers = [(b"vary", b"Origin")]
        if is_allowed:
            more.append((b"access-control-allow-origin", given[0]))
            more.append((b"access-control-expose-headers", RESPONSE_HEADERS))
        asked = {name for name, _ in scope["headers"]}
        if is_allowed and scope["method"] == "OPTIONS" and METHOD_ASKED in asked:
            await _allow(send, more, is_private=PRIVATE_ASKED in asked)
            return

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self.app(scope, receive, send_more)


METHOD_ASKED: Final = b"access-control-request-method"
PRIVATE_ASKED: Final = b"access-control-request-private-network"


async def _allow(send: Send, more: Headers, *, is_private: bool) -> None:
    """The answer to a preflight: it says what may be asked, and gives nothing away."""
    headers = [
        *more,
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", REQUEST_HEADERS),
        (b"access-control-max-age", ASKED_AGAIN_S),
    ]
    if is_private:  # browsers ask before a page from the internet may reach this machine
        headers.append((b"access-control-allow-private-network", b"true"))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def as_browsers_say(origin: str) -> str:
    """In lower case, and without the port that its scheme has anyway."""
    origin = origin.lower()
    scheme, _, _ = origin.partition(":")
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))
