"""Alice's node behind the server that a node has, a client of commands to it, and commands."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from cli import cli
from node.client import Client
from node.daemon import (
    EmbeddedServer,
    _uvicorn_config,  # pyright: ignore[reportPrivateUsage]  # the server as a node has it
)
from node.tasks import background_tasks
from tests.node.parts import Alice


@asynccontextmanager
async def served(alice: Alice) -> AsyncGenerator[Client]:
    """Its calls belong into a thread: the server is on this loop."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = EmbeddedServer(_uvicorn_config(alice.app))
        async with background_tasks() as tasks:
            serving = tasks.create_task(server.serve([listener]))
            await server.accepts.wait()
            token = alice.bearer()["Authorization"].removeprefix("Bearer ")
            yield Client("127.0.0.1", listener.getsockname()[1], token, "")
            server.should_exit = True
            await serving


@asynccontextmanager
async def shown(alice: Alice) -> AsyncGenerator[Path]:
    """The same; gives her home, in which commands find it: see `typed`."""
    async with served(alice) as client:
        home = alice.node.home.database.parent
        (home / "node.json").write_text(json.dumps({"api": client.url}))
        (home / "token").write_text(client.token)
        yield home


async def typed(home: Path, *line: str) -> Result:
    """A command as it stands on a line, in this process."""
    return await asyncio.to_thread(CliRunner().invoke, cli, ["--home", str(home), *line])
