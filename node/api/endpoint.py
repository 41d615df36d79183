"""One entry a method and path: from it come the route, the checks and the OpenAPI document.

A handler is a plain function over the node's parts and a `Call`, whose query and body are already
values. It may raise any error of ours: `node.outcomes` says how that is answered.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.api.known_answers import KnownAnswer
from node.api.models import NoQuery
from node.api.problems import ENCODER, ProblemError, answer_problem
from node.api.replays import IDEMPOTENCY_KEY, once, place_of
from node.api.requests import (
    BODY_BYTES_MAX,
    QUERY_CHARACTERS_MAX,
    Clean,
    CleanPairs,
    CleanQuery,
    answer_bytes,
    answer_cached,
    etag,
    is_known,
    read_body,
    read_query,
)
from node.api.tokens import Access, allows, unauthorized
from node.config import ApiConfig
from node.outcomes import problem_of
from node.refusals import API, write_down
from node.wiring import Node
from storage.quarantine import Refusal

Q = TypeVar("Q", bound=Struct)
B = TypeVar("B")

Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE"]
Answers: TypeAlias = Mapping[int, type | str]
"""Status -> the struct of the JSON body, or a media type for other bodies."""

Opening: TypeAlias = Literal["compat", "anonymous"]
"""A setting that lets a write in without a token: `api.compat`, `api.anonymous_submissions`."""

BAD_INPUT: Final = frozenset({400, 413, 415, 422})
"""Problems of what was sent, to be listed; any other says how things stand."""
BAD_BODY: Final = BAD_INPUT | {404}
"""A body that names what is not known here is mistyped too; a path, where people look, is not."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, taken apart."""

    request: Request
    query: Q
    body: B

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the path."""
        return self.request.path_params

    @property
    def has_no_token(self) -> bool:
        """Whether a setting lets it write that needs a token otherwise."""
        return getattr(self.request.state, "opening", None) is not None

    @property
    def is_anonymous(self) -> bool:
        """Whether a stranger is let in by `api.anonymous_submissions`."""
        return getattr(self.request.state, "opening", None) == "anonymous"


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Q, B]):
    """`handler` answers `method` on `path`. Its name and docstring are documentation."""

    method: Method
    path: str
    handler: Callable[[Node, Call[Q, B]], Awaitable[object]]
    access: Access
    answers: Answers
    query: type[Q]
    body: type[B] | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    problems: tuple[int, ...] = ()
    is_replayable: bool = field(default=False)
    opened_by: tuple[Opening, ...] = ()
    """Settings under which it needs no token."""
    is_remembered: bool = field(default=False)
    """Whether the answer depends on the query, the store and the index alone."""
    clean: Clean | None = None
    """How the body of who needs no token is made to fit: their clients know no limits of ours."""
    clean_query: CleanQuery | None = None
    """The same of a query, where a setting lets such clients in."""
    has_halves: bool = field(default=False)
    """Whether games send it, which cut texts within a character: that is no reason to refuse."""
    query_characters_max: int = QUERY_CHARACTERS_MAX
    """As sent, where one character of a text may take nine."""


def reads(
    path: str,
    handler: Callable[[Node, Call[Q, None]], Awaitable[object]],
    returns: type | str,
    *,
    query: type[Q] = NoQuery,  # type: ignore[assignment]  # the default fits handlers of no query
    access: Access = "read",
    problems: tuple[int, ...] = (),
    is_remembered: bool = False,
    clean_query: CleanQuery | None = None,
) -> Endpoint[Q, None]:
    """A GET. What the handler returns is sent as JSON with an ETag, unless it is a Response."""
    return Endpoint(
        "GET", path, handler, access, {200: returns}, query, problems=problems,
        is_remembered=is_remembered, clean_query=clean_query,
    )  # fmt: skip


def writes(
    path: str,
    handler: Callable[[Node, Call[Q, B]], Awaitable[object]],
    returns: type,
    *,
    body: type[B],
    query: type[Q] = NoQuery,  # type: ignore[assignment]  # the default fits handlers of no query
    method: Literal["POST", "PUT"] = "POST",
    status: int = 200,
    access: Access = "write",
    body_bytes_max: int = BODY_BYTES_MAX,
    problems: tuple[int, ...] = (),
    is_replayable: bool = True,
    opened_by: tuple[Opening, ...] = (),
    clean: Clean | None = None,
    has_halves: bool = False,
) -> Endpoint[Q, B]:
    """A POST or PUT of JSON, done once for an Idempotency-Key."""
    return Endpoint(
        method, path, handler, access, {status: returns}, query, body, body_bytes_max,
        (409, 413, 415, 422, 507, *problems), is_replayable, opened_by, clean=clean,
        has_halves=has_halves,
    )  # fmt: skip


def deletes(
    path: str,
    handler: Callable[[Node, Call[Q, None]], Awaitable[object]],
    *,
    query: type[Q] = NoQuery,  # type: ignore[assignment]  # the default fits handlers of no query
    problems: tuple[int, ...] = (),
) -> Endpoint[Q, None]:
    """A DELETE, answered with no body."""
    answers = {204: NoQuery}
    return Endpoint("DELETE", path, handler, "write", answers, query, problems=(404, *problems))


def routes_of(node: Node, endpoints: Iterable[Endpoint[Any, Any]]) -> list[Route]:
    """One Route a path: with two, starlette answers 405 with half the methods in `Allow`."""
    by_path: dict[str, dict[str, Endpoint[Any, Any]]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [_route(node, path, methods) for path, methods in by_path.items()]


def _route(node: Node, path: str, methods: Mapping[str, Endpoint[Any, Any]]) -> Route:
    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await carry_out(node, methods[method], request)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return answer_problem(problem, request.url.path)

    return Route(path, dispatch, methods=list(methods))


async def carry_out(node: Node, endpoint: Endpoint[Any, Any], request: Request) -> Response:
    """Check, read, do, answer."""
    state = request.scope["state"]  # of the guard; `request.state` is the same, by attributes
    given: Access = state["access"]
    is_allowed = allows(given, endpoint.access)
    opening = None if is_allowed else opening_of(node.config.api, endpoint, request)
    state["opening"] = opening
    if not is_allowed and opening is None:
        if not state["has_token"]:
            raise unauthorized("send `Authorization: Bearer <token>`; see the file `token`")
        raise ProblemError(403, "access-too-low", f"this needs {endpoint.access} access")
    try:
        if endpoint.is_remembered:
            return await _remembered(node, endpoint, request)
        clean = _clean_query(node, endpoint, request)
        query = read_query(request, endpoint.query, clean, endpoint.query_characters_max)
        if endpoint.body is not None:
            return await _write(node, endpoint, request, query)
        result = await endpoint.handler(node, Call(request, query, None))
        return _answered(request, endpoint, result)
    except Exception as error:
        if allows(given, "write"):  # strangers could fill the list
            await _note(node, request, error, BAD_INPUT if endpoint.body is None else BAD_BODY)
        raise


def opening_of(config: ApiConfig, endpoint: Endpoint[Any, Any], request: Request) -> Opening | None:
    """Which setting lets in who sent no token; None where none does, or none is needed."""
    given: Access = request.state.access
    if request.state.has_token or allows(given, endpoint.access):
        return None
    # Reads are open on loopback alone, and so is this.
    if config.compat and "compat" in endpoint.opened_by and allows(given, "read"):
        return "compat"
    is_open = config.anonymous_submissions and "anonymous" in endpoint.opened_by
    return "anonymous" if is_open else None


async def _remembered(node: Node, endpoint: Endpoint[Any, Any], request: Request) -> Response:
    """As it was answered before, while nothing was written and the index shows the same."""
    clean = _clean_query(node, endpoint, request)
    asked = request.scope["path"].encode(errors="replace") + b"?" + request.scope["query_string"]
    if clean is not None:
        asked += b" made to fit"
    state, now_s = (node.store.written(), node.index.shown), node.clock_s()
    known = node.answers.get(asked, state, now_s=now_s)
    if known and (known.body is not None or is_known(request, known.etag)):
        return answer_bytes(request, known.body or b"", known.etag)
    query = read_query(request, endpoint.query, clean)
    result = await endpoint.handler(node, Call(request, query, None))
    if isinstance(result, Response) and result.status_code != 200:
        return result
    body = bytes(result.body) if isinstance(result, Response) else ENCODER.encode(result)
    known = KnownAnswer(body, etag(body), now_s)
    node.answers.keep(asked, state, known)
    return answer_bytes(request, body, known.etag)


def _clean_query(node: Node, endpoint: Endpoint[Any, Any], request: Request) -> CleanPairs | None:
    """What makes the query fit, where one of those may be asking who know no limits of ours."""
    api = node.config.api
    is_open = api.compat or api.anonymous_submissions
    if endpoint.clean_query is None or not is_open or request.scope["state"]["has_token"]:
        return None
    return partial(endpoint.clean_query, has_any_name=api.compat)


async def _write(node: Node, endpoint: Endpoint[Q, Any], request: Request, query: Q) -> Response:
    assert endpoint.body is not None
    is_strange = request.state.opening == "anonymous"
    body_bytes_max = BODY_BYTES_MAX if is_strange else endpoint.body_bytes_max
    clean = endpoint.clean if request.state.opening is not None else None
    body, raw = await read_body(
        request, endpoint.body, body_bytes_max, clean, has_halves=endpoint.has_halves
    )

    async def work() -> Response:
        return _answered(
            request, endpoint, await endpoint.handler(node, Call(request, query, body))
        )

    key = request.headers.get(IDEMPOTENCY_KEY)
    # Strangers could fill what is kept of answers.
    if not endpoint.is_replayable or key is None or is_strange:
        return await work()
    # A dry run is another request than what it shows.
    told = f"{request.url.query}\n".encode() + raw if request.url.query else raw
    return await once(node.store, node.underway, place_of(request.url.path, key), told, work)


async def _note(node: Node, request: Request, error: Exception, bad: AbstractSet[int]) -> None:
    """Bad input, as these statuses tell, is listed for `panspermia refused`."""
    if (found := problem_of(error)) and found.problem.status in bad:
        problem = found.problem
        where = f"{request.method} {request.url.path}"
        said = problem.detail.encode()
        await write_down(node.store, Refusal(API, where, problem.code, problem.detail, said))


def _answered(request: Request, endpoint: Endpoint[Any, Any], result: object) -> Response:
    if isinstance(result, Response):
        return result
    (status,) = endpoint.answers
    return answer_cached(request, result, status)


RECORD_REF: Final = "record"
"""The path convertor of `<did>/<id>` or `<petname>/<id>` of a genome or a seed, or of its id."""
LINEAGE_REF: Final = "lineage"
"""The same of a lineage, where more of the path comes after it."""
UNIVERSE_REF: Final = "universe"
"""The same of a universe, where more of the path comes after it."""
PASSAGE_REF: Final = "passage"
"""The same of a passage."""
REST: Final = "rest"
"""The path convertor of all that is left: what is wrong with it can be told."""
MODULE_REF: Final = "module"
"""The path convertor of `<did>/<id>` or `<petname>/<id>`, which arrive with their slash decoded, or
of a bare id."""
