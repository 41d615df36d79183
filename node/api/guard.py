"""Host and Origin allow-lists and the bearer token, before anything else sees a request.

Pure ASGI and outermost, for http and websocket, on every path. A web page that binds its name to
127.0.0.1 comes with a foreign Host, one that simply calls us with a foreign Origin; there are no
cookies, so a token is never sent by itself. What a request may do is in `scope["state"]["access"]`.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from node.api.cross_origin import as_browsers_say
from node.api.problems import ProblemError, answer_problem
from node.api.refused_origins import RefusedOrigins
from node.api.tokens import Access, Tokens, unauthorized

log = logging.getLogger(__name__)

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
POLICY_VIOLATION = 1008  # RFC 6455, the close code of a websocket that is refused

HOST: Final = b"host"
ORIGIN: Final = b"origin"
AUTHORIZATION: Final = b"authorization"
PROTOCOL: Final = b"sec-websocket-protocol"
TOKEN_HEADERS: Final = frozenset({AUTHORIZATION, PROTOCOL})
_NAME = itemgetter(0)
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may ask: names of this node, web pages, and whether reads need a token."""

    hosts: frozenset[str]
    origins: frozenset[str]
    reads_are_open: bool
    pages: frozenset[str] = frozenset()
    """Origins of other pages, which a browser is told of."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses or passes on; an invalid token is refused even where none is needed."""

    app: ASGIApp
    tokens: Tokens
    allowed: Allowed
    clock_s: Callable[[], float]
    refused: RefusedOrigins = field(default_factory=RefusedOrigins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {}).update(self._access(scope))
        except ProblemError as error:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            else:
                await answer_problem(error, scope["path"])(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _access(self, scope: Scope) -> dict[str, Access | bool]:
        """`access`: what the request may do; `has_token`: whether it said who it is."""
        given: Sequence[tuple[bytes, bytes]] = scope["headers"]
        names, headers = [*map(_NAME, given)], dict(given)
        is_named = names.count(HOST) == 1
        if not is_named or host_name(headers[HOST].decode("latin-1")) not in self.allowed.hosts:
            detail = "this node does not answer to that name; add it to `api.allowed_hosts`"
            raise ProblemError(421, "host-not-allowed", detail)
        if ORIGIN in headers:
            origins = [value.decode("latin-1") for name, value in given if name == ORIGIN]
            if refused := [one for one in origins if one not in self.allowed.origins]:
                self._tell(refused)
                detail = "a page from there may not call this node; add it to `api.allowed_origins`"
                raise ProblemError(403, "origin-not-allowed", detail)
        token = None
        if not TOKEN_HEADERS.isdisjoint(names):
            if names.count(AUTHORIZATION) > 1:
                raise unauthorized("send one Authorization header")
            said = {name: headers[name].decode("latin-1") for name in TOKEN_HEADERS & {*names}}
            token = bearer(scope["type"], said)
        if token is not None:
            access = self.tokens.access(token, now_s=self.clock_s())
            return {"access": access, "has_token": True}
        access = "read" if self.allowed.reads_are_open else "public"
        return {"access": access, "has_token": False}

    def _tell(self, refused: Iterable[str]) -> None:
        """The page is not told, and who plays a game sees only that no server is there."""
        for origin in refused:
            if line := self.refused.line(origin):
                log.warning("%s", line)


@lru_cache(maxsize=64)
def host_name(host: str) -> str | None:
    """The name in a Host header: lower case, without port, brackets or final dot."""
    found = _HOST.fullmatch(host)
    return found[1].lower().rstrip(".").strip("[]") if found else None


def bearer(kind: str, headers: Mapping[bytes, str]) -> str | None:
    """The token; of a browser's WebSocket from the subprotocols, the one thing it can set.

    An Authorization header of another scheme is a token that is not valid, never none.
    """
    authorization = headers.get(AUTHORIZATION)
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    offers = headers.get(PROTOCOL, "") if kind == "websocket" else ""
    for offer in (offer.strip() for offer in offers.split(",")):
        if offer.startswith("bearer."):
            return offer.removeprefix("bearer.")
    return None


def allowed_names(
    host: str,
    port: int,
    *,
    more_hosts: Iterable[str] = (),
    more_origins: Iterable[str] = (),
    is_loopback: bool,
) -> Allowed:
    """A node answers to loopback's names, to the address it is bound to, and to those allowed."""
    hosts = {*LOOPBACK_NAMES, *(name.lower().rstrip(".").strip("[]") for name in more_hosts)}
    if host not in ("0.0.0.0", "::"):
        hosts.add(host.lower())
    origins = {f"http://{in_url(name)}:{port}" for name in hosts}
    pages = frozenset(map(as_browsers_say, more_origins))
    return Allowed(frozenset(hosts), frozenset(origins) | pages, is_loopback, pages)


def in_url(host: str) -> str:
    """An IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host
