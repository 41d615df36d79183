"""What every handler shares: bodies, queries and entity tags, bounded and checked."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    Final,
    Protocol,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
)
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from node.api.problems import ProblemError, answer
from node.api.whole import WholeResponse
from node.errors import Fault
from universe.formats.halves import whole_characters

Clean: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Pairs: TypeAlias = Sequence[tuple[str, str]]
CleanPairs: TypeAlias = Callable[[Pairs, type[Struct]], Pairs]


class CleanQuery(Protocol):
    """Makes a query fit its type; whether names that are unknown may be in it is said."""

    def __call__(self, given: Pairs, kind: type[Struct], *, has_any_name: bool) -> Pairs: ...


T = TypeVar("T")
Q = TypeVar("Q", bound=Struct)

BODY_BYTES_MAX: Final = 1 << 20
PUBLISH_BYTES_MAX: Final = 16 << 20
"""A module of 11 MiB as base64, with its manifest and readme."""
QUERY_CHARACTERS_MAX: Final = 8_192
BOM: Final = b"\xef\xbb\xbf"
"""Some programs write it before their JSON; it says nothing."""
IF_NONE_MATCH: Final = b"if-none-match"
_UNCACHED: Final = ((b"cache-control", b"no-cache"),)
_JSON: Final = ((b"content-type", b"application/json"),)
PATTERN: Final = "matching regex "
NO_CHOICE: Final = "Invalid enum value"
"""How a text that does not fit its pattern is told of by msgspec."""


async def read_bytes(request: Request, bytes_max: int) -> bytes:
    """The body; never more than `bytes_max` of it are held."""
    return bytes(await read_large(request, bytes_max))


async def read_large(request: Request, bytes_max: int) -> bytearray:
    """The same where it is large, and no second copy is made of it."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > bytes_max:
            raise _too_large(bytes_max)
        body += piece
    return body


async def read_body(
    request: Request,
    type: type[T],
    bytes_max: int,
    clean: Clean | None = None,
    *,
    has_halves: bool = False,
) -> tuple[T, bytes]:
    """The JSON body as `type`, and its bytes. `clean` makes an object fit before it is read.

    `has_halves`: half of a character is U+FFFD, in place of no JSON.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ProblemError(415, "media-type", "send `Content-Type: application/json`")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(415, "content-encoding", "send the body as it is, without an encoding")
    body = await read_bytes(request, bytes_max)
    try:
        text = body.removeprefix(BOM)
        if has_halves and rb"\u" in body:
            text = await asyncio.to_thread(whole_characters, text)
        if clean is None:
            return msgspec.json.decode(text, type=type), body
        return await asyncio.to_thread(_cleaned, text, type, clean), body
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        detail = in_words(said, type) + _choices(said, type, where.rstrip("`"))
        fault = Fault(pointer := _pointer(where.rstrip("`")), detail)
        said = f"{pointer}: {detail}" if pointer else detail
        raise ProblemError(422, "invalid-body", said, errors=(fault,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "not-json", str(error)) from error


def in_words(said: str, kind: Any) -> str:  # noqa: ANN401 - any type that is read here
    """What is wrong, with the title of a pattern instead of the pattern, where it has one."""
    if PATTERN not in said:
        return said
    return next(
        (f"is not {title}" for pattern, title in _titles(kind) if said.endswith(repr(pattern))),
        said,
    )


@cache
def _titles(kind: Any) -> Sequence[tuple[str, str]]:  # noqa: ANN401 - any type that is read here
    """Each pattern of a text in `kind` that has a title, and the title."""
    found: list[tuple[str, str]] = []
    waiting, seen = [kind], list[Any]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.append(one)
        found += [
            (meta.pattern, meta.title)
            for meta in getattr(one, "__metadata__", ())
            if isinstance(meta, Meta) and meta.pattern and meta.title
        ]
        waiting += get_args(one)
        if isinstance(one, type) and issubclass(one, Struct):
            waiting += [field.type for field in msgspec.structs.fields(one)]
    return found


def _pointer(path: str) -> str:
    """The JSON pointer of where it is, as far as the path has names: a key of a map has none."""
    return path.partition("[...]")[0].replace(".", "/").replace("[", "/").replace("]", "")


def _cleaned(body: bytes, type: type[T], clean: Clean) -> T:
    given: object = msgspec.json.decode(body)
    if isinstance(given, dict):
        given = clean(cast("Mapping[str, Any]", given))
    return msgspec.convert(given, type)


def read_query(
    request: Request,
    type: type[Q],
    clean: CleanPairs | None = None,
    characters_max: int = QUERY_CHARACTERS_MAX,
) -> Q:
    """The query as `type`; a parameter it does not know is an error, so that a slip shows.

    Unless `clean` makes it fit first.
    """
    if len(request.scope["query_string"]) > characters_max:
        raise ProblemError(400, "bad-query", f"over {characters_max} characters")
    fields = _fields(type)
    told: Pairs = pairs(request.scope["query_string"].decode("latin-1"))
    if clean is not None:
        told = clean(told, type)
    given: dict[str, list[str]] = {}
    for name, value in told:
        given.setdefault(name, []).append(value)
    if unknown := given.keys() - fields.keys():
        names = ", ".join(sorted(fields)) or "none"
        detail = f"unknown: {', '.join(sorted(unknown))}; known: {names}"
        raise ProblemError(400, "unknown-parameter", detail)
    values: dict[str, Any] = {}
    for name, found in given.items():
        is_list = fields[name]
        if len(found) > 1 and not is_list:
            raise ProblemError(400, "bad-query", f"`{name}` was given {len(found)} times")
        values[name] = found if is_list else found[0]
    try:
        return msgspec.convert(values, type, strict=False)
    except msgspec.ValidationError as error:
        said, at, where = str(error).partition(" - at `$")
        said = in_words(said, type) + at + where + _choices(said, type, where.rstrip("`"))
        raise ProblemError(400, "bad-query", said) from error


def _choices(said: str, kind: Any, where: str) -> str:  # noqa: ANN401 - any type that is read here
    """What may stand there, if one of a few words does: "" elsewhere, and further inside."""
    if not said.startswith(NO_CHOICE) or not (isinstance(kind, type) and issubclass(kind, Struct)):
        return ""
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        if where == f".{field.encode_name}":
            told = msgspec.inspect.type_info(field.type)
            for one in told.types if isinstance(told, msgspec.inspect.UnionType) else (told,):
                if isinstance(one, msgspec.inspect.LiteralType):
                    found |= {str(value) for value in one.values}
    return f"; it is one of: {', '.join(sorted(found))}" if found else ""


def pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a query, as `parse_qsl` gives them, in half the time where it can be."""
    if "%" in query:
        return parse_qsl(query, keep_blank_values=True)
    parts = [part.partition("=") for part in query.replace("+", " ").split("&") if part]
    return [(name, value) for name, _, value in parts]


@cache
def _fields(type: type[Struct]) -> Mapping[str, bool]:
    """Name of each parameter -> whether it may be repeated."""
    return {field.encode_name: _is_list(field.type) for field in msgspec.structs.fields(type)}


def etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether If-None-Match names `tag`; weak tags count, as RFC 9110 has it for reads."""
    given = next((said for name, said in request.scope["headers"] if name == IF_NONE_MATCH), None)
    if given is None:
        return False
    text = given.decode("latin-1")
    return text.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in text.split(",")}


def answer_cached(request: Request, body: object, status: int = 200) -> Response:
    """`body` as JSON; a read gets an ETag, and 304 where the caller has this very body."""
    return _cached(request, answer(body, status))


def answer_json(request: Request, body: bytes) -> Response:
    """JSON that is ready, as `answer_cached`."""
    return _cached(request, Response(body, media_type="application/json"))


def _cached(request: Request, response: Response) -> Response:
    if request.method not in ("GET", "HEAD"):
        response.headers["cache-control"] = "no-store"
        return response
    body = bytes(response.body)
    return answer_bytes(request, body, etag(body)) if response.status_code == 200 else response


def answer_bytes(request: Request, body: bytes, tag: str) -> Response:
    """A read whose JSON and ETag are known; 304 where the caller has this very body."""
    if is_known(request, tag):
        return _Known(tag)
    return _Ready(body, tag)


class _Ready(WholeResponse):
    """200 with JSON; its headers are written as they are sent."""

    def __init__(self, body: bytes, tag: str) -> None:
        self.status_code, self.background, self.body = 200, None, body
        length = (b"content-length", b"%d" % len(body))
        self.raw_headers = [(b"etag", tag.encode("latin-1")), *_UNCACHED, length, *_JSON]


class _Known(WholeResponse):
    """304: the caller has it."""

    def __init__(self, tag: str) -> None:
        self.status_code, self.background, self.body = 304, None, b""
        self.raw_headers = [(b"etag", tag.encode("latin-1")), *_UNCACHED]


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - a type expression
    return get_origin(get_args(kind)[0] if get_origin(kind) is Annotated else kind) is tuple


def _too_large(bytes_max: int) -> ProblemError:
    return ProblemError(413, "body-too-large", f"a body has at most {bytes_max} bytes here")
