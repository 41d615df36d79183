"""Alice's node behind the server that a node has, and a client of commands to it."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

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
