"""Writes with an Idempotency-Key, where the disk is full by the time that they are done."""

from contextlib import ExitStack

import pytest
from starlette.responses import Response

from node.api.replays import once, once_streamed
from tests.node.parts import Alice
from tests.storage.full_disk import largest_file

MARK = b"what tells one from another 1234"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_was_done_is_said_to_be_done_though_no_note_of_it_can_be_taken(
    alice: Alice, is_streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store, underway, where = alice.node.store, set[str](), "POST /api/x key-00001"
    done: list[int] = []

    async def ask(stack: ExitStack | None) -> Response:
        async def work() -> Response:
            done.append(1)
            if stack is not None:
                stack.enter_context(largest_file(4096))
            return Response(b"{}", 201)

        async def marked() -> tuple[bytes, Response]:
            return MARK, await work()

        async def drain() -> bytes:
            return MARK

        if is_streamed:
            return await once_streamed(store, underway, where, drain, marked)
        return await once(store, underway, where, b"", work)

    with ExitStack() as stack:
        assert (await ask(stack)).status_code == 201
    assert "is not remembered" in caplog.text
    assert (await ask(None)).status_code == 201
    again = await ask(None)
    assert (again.status_code, again.headers["idempotent-replay"], len(done)) == (201, "true", 2)
    assert not underway
