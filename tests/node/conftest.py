"""Alice's node in this process, for every test that asks for `alice`."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.node.parts import Alice, open_alice


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice") as alice:
        yield alice
