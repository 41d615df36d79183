"""The whole ASGI application: security headers, then the guard, then routes.

SecurityHeaders ▸ CrossOrigin ▸ MultiverseAddresses ▸ Guard (Host, Origin, token)
▸ FixedPaths (what is asked most) ▸ Starlette (endpoints, streams, pages)
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from node.api import pages
from node.api.cross_origin import CrossOrigin
from node.api.endpoint import (
    LINEAGE_REF,
    MODULE_REF,
    PASSAGE_REF,
    RECORD_REF,
    REST,
    UNIVERSE_REF,
    Endpoint,
    routes_of,
)
from node.api.fixed_paths import FixedPaths, handlers_of
from node.api.guard import Allowed, Guard
from node.api.headers import SecurityHeaders
from node.api.multiverse_addresses import MultiverseAddresses
from node.api.openapi import make_openapi
from node.api.problems import ProblemError, answer_problem
from node.api.refused_origins import RefusedOrigins
from node.api.requests import etag, is_known
from node.api.routes import (
    advisories,
    attestations,
    authority,
    backup,
    blobs,
    blocked,
    challenges,
    decay,
    deletion,
    devices,
    files,
    health,
    history,
    identity,
    install,
    invites,
    kept,
    letters,
    life,
    life_ratings,
    live_invites,
    metrics,
    modules,
    names,
    namespaces,
    page,
    passages,
    peers,
    pictures,
    players,
    problems,
    quota,
    records,
    snapshot_uploads,
    snapshots,
    souls,
    streams,
    timelines,
    trends,
    universes,
    upkeep,
    webrtc,
)
from node.client import home_flag
from node.outcomes import problem_of
from node.wiring import Node

log = logging.getLogger(__name__)

ENDPOINTS: Sequence[Endpoint[Any, Any]] = (
    *records.ENDPOINTS,  # what is asked most comes first: routes are tried in turn
    *history.ENDPOINTS,
    *trends.ENDPOINTS,
    *modules.ENDPOINTS,
    *attestations.ENDPOINTS,
    *life_ratings.ENDPOINTS,
    *pictures.ENDPOINTS,
    *files.ENDPOINTS,
    *life.ENDPOINTS,
    *universes.LISTS,
    *snapshot_uploads.ENDPOINTS,
    *snapshots.ENDPOINTS,
    *timelines.ENDPOINTS,
    *decay.ENDPOINTS,
    *souls.ENDPOINTS,
    *universes.ENDPOINTS,
    *advisories.ENDPOINTS,
    *challenges.ENDPOINTS,
    *passages.ENDPOINTS,
    *players.ENDPOINTS,
    *health.ENDPOINTS,
    *metrics.ENDPOINTS,
    *identity.ENDPOINTS,
    *names.ENDPOINTS,
    *namespaces.ENDPOINTS,
    *invites.ENDPOINTS,
    *letters.ENDPOINTS,
    *live_invites.ENDPOINTS,
    *devices.ENDPOINTS,
    *authority.ENDPOINTS,
    *peers.ENDPOINTS,
    *webrtc.ENDPOINTS,
    *page.ENDPOINTS,
    *blocked.ENDPOINTS,
    *deletion.ENDPOINTS,
    *install.ENDPOINTS,
    *blobs.ENDPOINTS,
    *kept.ENDPOINTS,
    *quota.ENDPOINTS,
    *backup.ENDPOINTS,
    *upkeep.ENDPOINTS,
    *streams.ENDPOINTS,
    *problems.ENDPOINTS,
)


class ModuleRef(StringConvertor):
    """`did/id` or `petname/id`, whose slash came as %2F and is decoded by now, or a bare id.

    What follows an owner that is no did:key has a dot: so `/{id}/ratings` is nobody's module.
    """

    regex = r"(?:did:key:[^/]+/|[^/]+/(?=[^/]*\.))?[^/]+"


class RecordRef(StringConvertor):
    """The id of a genome or a seed, 8 to 64 hex digits, whose owner's slash is decoded by now."""

    regex = r"(?:[^/]+/(?=[0-9a-f]{8,64}(?:/|$)))?[^/]+"


class LineageRef(StringConvertor):
    """The id of a lineage, whose owner's slash is decoded by now.

    A did:key alone is no lineage here: `did/ratings` is somebody's lineage of that name.
    """

    regex = r"(?:[^/]+/)?(?!did:key:)[^/]+"


class UniverseRef(StringConvertor):
    """The id of a universe, whose owner's slash is decoded by now.

    `main/snapshot` is an address of `main`, and no universe of somebody who is called main: whoever
    calls one of theirs so writes the owner's did:key.
    """

    regex = (
        r"(?:did:key:[^/]+/|[^/]+/(?!(?:snapshots?|timeline|forks?|events?|lineage|souls?|retention"
        r"|passages?|members?|open|export|import|prune|nearest|cleanup|decay-preview)(?:/|$)))?"
        r"(?!did:key:)[^/]+"
    )


class PassageRef(StringConvertor):
    """The id of a passage, as that of a universe."""

    regex = (
        r"(?:did:key:[^/]+/|[^/]+/(?!(?:accept|travel|travellers|recall|decide|maintain)(?:/|$)))?"
        r"(?!did:key:)[^/]+"
    )


class Rest(StringConvertor):
    """Anything at all. Starlette's own `path` drops a line end."""

    regex = r"(?s:.*)"


def make_app(node: Node, allowed: Allowed) -> ASGIApp:
    """The guarded app over the parts of a node."""
    register_url_convertor(MODULE_REF, ModuleRef())
    register_url_convertor(RECORD_REF, RecordRef())
    register_url_convertor(LINEAGE_REF, LineageRef())
    register_url_convertor(UNIVERSE_REF, UniverseRef())
    register_url_convertor(PASSAGE_REF, PassageRef())
    register_url_convertor(REST, Rest())
    routes = routes_of(node, ENDPOINTS)
    inner = Starlette(
        routes=[
            *routes,
            WebSocketRoute("/v1/stream", streams.websocket(node)),
            Route("/openapi.json", _openapi),
            *pages.page_routes(),
        ],
        exception_handlers={
            ProblemError: _on_error,
            HTTPException: _on_error,
            Exception: _on_bug,
        },
    )
    assert isinstance(inner.router, Router)
    inner.router.redirect_slashes = False  # one address per thing, and no guessed redirects
    direct = FixedPaths(inner, handlers_of(routes, ENDPOINTS), _on_bug)
    refused = RefusedOrigins(allowed.pages, home_flag(str(node.home.path)))
    guard = Guard(direct, node.tokens, allowed, node.clock_s, refused)
    return SecurityHeaders(CrossOrigin(MultiverseAddresses(guard), allowed.pages))


async def _on_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    assert problem is not None
    return answer_problem(problem, request.url.path)


async def _on_bug(request: Request, error: Exception) -> Response:
    if (known := problem_of(error)) is not None:  # out of a body that had begun: it ends there
        said = known.problem.detail.replace("\n", " ")
        log.warning("%s %s ended early: %s", request.method, request.scope["path"], said)
        return answer_problem(known, request.url.path)
    log.error("a bug answered %s %s", request.method, request.scope["path"], exc_info=error)
    problem = ProblemError(500, "internal-error", "a bug; the node's log tells more")
    return answer_problem(problem, request.url.path)


async def _openapi(request: Request) -> Response:
    document, tag = await asyncio.to_thread(_document)
    headers = {"etag": tag, "cache-control": "no-cache"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(document, 200, headers, "application/json")


@cache
def _document() -> tuple[bytes, str]:
    """Made when somebody asks: it takes as long as the rest of the app together."""
    document = make_openapi(ENDPOINTS)
    return document, etag(document)
