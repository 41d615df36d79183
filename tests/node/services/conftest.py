"""Alice and bob, who send travellers to each other, for every test that asks for `people`."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from tests.node.services.test_travel import Person, opened_people


@pytest_asyncio.fixture
async def people(tmp_path: Path) -> AsyncGenerator[tuple[Person, Person]]:
    async with AsyncExitStack() as stack:
        yield await opened_people(stack, tmp_path)
