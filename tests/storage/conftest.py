from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

Opener = Callable[..., AbstractAsyncContextManager[Store]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(
        tmp_path / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as opened:
        yield opened
