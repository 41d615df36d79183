"""Files of other programs, published whole: every genome, seed and lineage that is in one."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from node.api.endpoint import Call, writes
from node.api.life_models import NewGenome, NewLineage, NewSeed, SubmissionDone, Submitting
from node.api.models import NoQuery, Place, Request
from node.api.problems import ENCODER, Problem, ProblemError
from node.api.requests import PUBLISH_BYTES_MAX
from node.api.routes.life import submit_genome, submit_lineage, submit_seed
from node.api.story import NDJSON, Story, TellLine, Work, told
from node.errors import Fault
from node.found_files import Contents, body_of, contents_of
from node.outcomes import problem_of
from node.wiring import Node
from registry.formats import Format, InvalidFile, Kind, Merged, merged
from registry.formats import Place as Where

log = logging.getLogger(__name__)
S = TypeVar("S", bound=Submitting)

ITEMS_MAX: Final = 1_000
"""Of one file: some 20 s. What holds more is published from a terminal, with a bar."""


class NewFile(Request, frozen=True, kw_only=True):
    file: Annotated[str, Meta(min_length=1, max_length=255)]
    """What it is called: its end helps to tell what it is."""
    content: bytes
    """Base64."""
    namespace: Place = "commons"
    dry_run: bool = False
    """Check everything, publish nothing."""


class FilePart(Struct, frozen=True):
    """One item that was published, or was there already."""

    place: str
    """Where in the file; empty where it is all of it."""
    kind: str
    name: str
    id: str
    state: str
    format: str | None


class RefusedPart(Struct, frozen=True):
    """One item that was not."""

    place: str
    name: str
    code: str
    detail: str


class FilePublished(Struct, frozen=True):
    """What became of each item."""

    file: str
    format: str
    published: tuple[FilePart, ...]
    refused: tuple[RefusedPart, ...]
    broken_off: Problem | None = None
    """Why the items after these were left alone: they would have met the same."""


async def publish_file(node: Node, call: Call[NoQuery, NewFile]) -> FilePublished | Response:
    """Publish every genome, seed and lineage in a file; what is there already is no error.

    An item that is refused is named with its place, and the others are published. Where the node
    itself fails amid them, as a full disk does, it stops: `broken_off` says why, beside what became
    of the items before. Where it fails at the first, that is the answer. With
    `Accept: application/x-ndjson` the answer is a line for each item, the last one
    `{"event": "result", …}` or `{"event": "error", "problem": …}`.
    """
    if NDJSON not in call.request.headers.get("accept", ""):
        return await _publish(node, call, lambda line: None)
    return Story(_story(node, call))


async def _publish(node: Node, call: Call[NoQuery, NewFile], tell: TellLine) -> FilePublished:
    body = call.body
    contents, items = await asyncio.to_thread(_read, body.file, body.content)
    published: list[FilePart] = []
    refused = [RefusedPart(str(row.place), "", row.code, row.detail) for row in contents.refused]
    broken_off = None
    for number, item in enumerate(items, 1):
        try:
            part = await _one(node, call, item)
        except Exception as error:
            if not published and not refused:
                raise
            broken_off = _reason(error)
            break
        if isinstance(part, FilePart):
            published.append(part)
        else:
            refused.append(part)
        tell(ENCODER.encode({"event": "progress", "text": f"{number:,} of {len(items):,}"}) + b"\n")
    return FilePublished(
        body.file, str(contents.format), tuple(published), tuple(refused), broken_off
    )


def _reason(error: Exception) -> Problem:
    problem = problem_of(error)
    if problem is None:
        log.error("a bug broke off the publication of a file", exc_info=error)
        problem = ProblemError(500, "internal-error", "a bug; the node's log tells more")
    return problem.problem


def _read(file: str, data: bytes) -> tuple[Contents, tuple[Merged, ...]]:
    """What is in it, the same bytes once. Raises `InvalidFile`."""
    contents = contents_of(file, data)
    if contents.format is Format.UNKNOWN:
        raise InvalidFile(
            file, Where(), "is of no format that is known here; whatever it is, a terminal"
            " publishes it: panspermia publish FILE --kind genome"
        )  # fmt: skip
    items = merged(contents.found)
    if len(items) > ITEMS_MAX:
        raise InvalidFile(
            file, Where(), f"holds {len(items):,} things, at most {ITEMS_MAX:,} at once;"
            " a terminal publishes it: panspermia publish FILE"
        )  # fmt: skip
    return contents, items


async def _one(node: Node, call: Call[NoQuery, NewFile], one: Merged) -> FilePart | RefusedPart:
    """Of bytes that are there already, what was said stands; a lineage goes on."""
    body, item = call.body, one.found
    said = body_of(body.file, item) | {
        "namespace": body.namespace, "dry_run": body.dry_run, "only_new": item.kind != "lineage",
    }  # fmt: skip
    if card := one.card(body.file):
        said["card"] = card
    name = item.name or body.file
    try:
        done = await _submit(node, call.request, item.kind, said)
    except Exception as error:
        problem = problem_of(error)
        if problem is None or problem.problem.status >= 500:  # the same would happen to the others
            raise
        refusal = problem.problem
        return RefusedPart(str(item.place), name, refusal.code, refusal.detail)
    return FilePart(str(item.place), done.kind, name, done.id, done.state, done.format)


async def _submit(
    node: Node, request: HttpRequest, kind: Kind, said: Mapping[str, object]
) -> SubmissionDone:
    match kind:
        case "genome":
            return await submit_genome(node, Call(request, NoQuery(), _read_as(NewGenome, said)))
        case "seed":
            return await submit_seed(node, Call(request, NoQuery(), _read_as(NewSeed, said)))
        case "lineage":
            return await submit_lineage(node, Call(request, NoQuery(), _read_as(NewLineage, said)))


def _read_as(type: type[S], said: Mapping[str, object]) -> S:
    """Raises `ProblemError` as a body of that kind would."""
    try:
        return msgspec.convert(said, type)
    except msgspec.ValidationError as error:
        detail = str(error)
        raise ProblemError(422, "invalid-body", detail, errors=(Fault("", detail),)) from error


def _story(node: Node, call: Call[NoQuery, NewFile]) -> Work:
    async def work(tell: TellLine) -> FilePublished:
        return await _publish(node, call, tell)

    return told("a publication", work, shown=lambda problem: {"problem": problem})


ENDPOINTS = (
    writes(
        "/api/registry/files", publish_file, FilePublished, body=NewFile,
        body_bytes_max=PUBLISH_BYTES_MAX, problems=(404,), is_replayable=False,
    ),
)  # fmt: skip
