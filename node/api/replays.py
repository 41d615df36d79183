"""Idempotency-Key: a write that is sent again gets the answer of the first time, for 24 h.

Answers are kept in the store, so that they outlive a restart. Only what succeeded is kept: a
request that failed changed nothing and may be tried again with its key.
"""

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from node.api.problems import ProblemError
from storage.answers import BODY_BYTES_MAX, Answer
from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)

IDEMPOTENCY_KEY: Final = "idempotency-key"
PATTERN: Final = "^[!-~]{1,255}$"
"""Of a key: games make theirs of what they have, as `main/7f0c@1200`."""
_KEY: Final = "it must be 1 to 255 printable characters of ASCII, without a space"
REPLAYED: Final = {"idempotent-replay": "true", "cache-control": "no-store"}


def place_of(path: str, key: str) -> str:
    """Under which an answer is kept. Raises `ProblemError` of a key that is none."""
    if not re.fullmatch(PATTERN, key):
        raise ProblemError(400, "bad-idempotency-key", _KEY)
    return f"{path} {key}"


async def once(
    store: Store,
    underway: set[str],
    where: str,
    body: bytes,
    work: Callable[[], Awaitable[Response]],
) -> Response:
    """Does `work` at most once for `where`, as `place_of` says."""
    mark = hashlib.sha256(body).digest()
    if where in underway:
        raise ProblemError(409, "in-progress", "the first request has no answer yet")
    underway.add(where)
    try:
        if first := await store.answer_to(where):
            if first.fingerprint != mark:
                raise ProblemError(422, "idempotency-key-reused", "it came with another body")
            return Response(first.body, first.status, REPLAYED, "application/json")
        response = await work()
        if response.status_code < 300 and len(response.body) <= BODY_BYTES_MAX:
            await _remember(store, where, mark, response)
        return response
    finally:
        underway.discard(where)


async def once_streamed(
    store: Store,
    underway: set[str],
    where: str,
    drain: Callable[[], Awaitable[bytes]],
    work: Callable[[], Awaitable[tuple[bytes, Response]]],
) -> Response:
    """As `once`, of a body that is in no memory: what tells it from another comes with the answer.

    `drain` reads the body alone and gives that, for a request whose answer is known.
    """
    if where in underway:
        raise ProblemError(409, "in-progress", "the first request has no answer yet")
    underway.add(where)
    try:
        if first := await store.answer_to(where):
            if first.fingerprint != await drain():
                raise ProblemError(422, "idempotency-key-reused", "it came with another body")
            return Response(first.body, first.status, REPLAYED, "application/json")
        mark, response = await work()
        await _remember(store, where, mark, response)
        return response
    finally:
        underway.discard(where)


async def _remember(store: Store, where: str, mark: bytes, response: Response) -> None:
    """What was done is answered so, also where a full disk takes no note of it."""
    try:
        await store.remember_answer(where, Answer(mark, response.status_code, bytes(response.body)))
    except StorageError as error:
        log.warning("the answer to %s is not remembered: %s", where, error)
