"""One pair of children for all tests of a module: starting them is the dear part."""

from collections.abc import AsyncIterator

import pytest_asyncio

from node.workers.workers import WorkerConfig, Workers, open_workers

# No test of these children waits for their clock: a loaded machine may take its time.
PATIENT = WorkerConfig(validate_s=60.0, compile_s=60.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with open_workers(PATIENT) as opened:
        yield opened
