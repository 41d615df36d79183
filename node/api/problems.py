"""problem+json (RFC 9457) for every error, ours and the framework's."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

from node.errors import Fault

ENCODER: Final = msgspec.json.Encoder()
MEDIA_TYPE: Final = "application/problem+json"
# What an error may repeat of a hostile request.
DETAIL_CHARACTERS_MAX: Final = 8_000


class Problem(Struct, frozen=True, omit_defaults=True):
    """`code` is for programs, `detail` for people; `type` is the code as a URI.

    `error` says what `detail` says, for clients of multiverse servers, which read it there.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    error: str = ""
    instance: str = ""
    errors: tuple[Fault, ...] = ()
    candidates: tuple[str, ...] = ()


def title_of(code: str) -> str:
    """The code as words: `Unknown module`."""
    return code.replace("-", " ").capitalize()


class ProblemType(Struct, frozen=True):
    """What the errors of one code have in common, behind their `type`."""

    type: str
    title: str
    code: str
    means: str
    do: str
    """What to do about it."""


class ProblemError(Exception):
    """Raised at the edge, where an answer is already known to be a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: tuple[Fault, ...] = (),
        candidates: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        title = title_of(code)
        super().__init__(detail or title)
        detail = detail[:DETAIL_CHARACTERS_MAX].encode(errors="backslashreplace").decode()
        self.problem = Problem(
            f"/problems/{code}",
            title,
            status,
            code,
            detail,
            detail or title,
            "",
            errors,
            candidates,
        )
        self.headers = {"cache-control": "no-store", **(headers or {})}


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(ENCODER.encode(body), status, headers, media_type="application/json")


def answer_problem(error: ProblemError, instance: str) -> Response:
    """`instance` is the path that was asked for."""
    shown = instance[:DETAIL_CHARACTERS_MAX].encode(errors="backslashreplace").decode()
    body = ENCODER.encode(msgspec.structs.replace(error.problem, instance=shown))
    return Response(body, error.problem.status, error.headers, MEDIA_TYPE)
