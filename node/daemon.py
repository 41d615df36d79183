"""The daemon: one `async with` over the node's parts, task groups under it.

    run ─▸ lock ─▸ uvloop ─▸ parts (node.wiring): store, index, workers, peers ─▸ http, token
                             stop: streams end, http ends, peers hear goodbye, the store closes

Signals and POST /api/shutdown only set `stop`. A clean end removes node.json and exits with 0.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import IO, Final

import uvicorn
from starlette.types import ASGIApp

from node.api.app import make_app
from node.api.guard import allowed_names, in_url
from node.api.heads import HTTP
from node.api.tokens import RENEW_S
from node.api.universes_shown import make_ready
from node.arenas import keep_giving_back, share_arenas
from node.config import ApiConfig, Config
from node.errors import BadSetting
from node.home import Home, NodeFile, write_private
from node.logs import logging_to
from node.notify import sd_notify
from node.outcomes import problem_of
from node.tasks import background_tasks
from node.text import size_text
from node.wiring import Node, open_node
from storage.database import nobody
from storage.vault.opening import vault_beside
from storage.vault.rescue import how_far

log = logging.getLogger(__name__)

# What is still open then is cut; streams have ended themselves long before.
SHUTDOWN_S: Final = 1
BACKLOG: Final = 128
# More clients than a page and a few programs are a leak somewhere; they get 503.
CONNECTIONS_MAX: Final = 512
REMADE_TOLD: Final = 10_000  # documents: every few seconds
PATIENCE_S: Final = 60  # that systemd waits on, until it hears more; it gives up after 90 s


# Where this machine itself asks a node that listens on every address.
DID: Final = "did:key:"
WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Ready:
    """What `up` prints when everything answers."""

    api: str
    p2p: str
    did: str
    home: str
    relay: str = ""
    """In the relay role: how others name it."""


def run(
    config: Config,
    home: Home,
    *,
    ready: Callable[[Ready], None],
    log_to: IO[str] = sys.stderr,
    notify_socket: str | None = None,
) -> None:
    """Run a node until it is told to stop.

    Raises `AlreadyRunning` where `home` is in use: `home.read_node_file()` says where it answers.
    """
    home.make()
    share_arenas()

    def announce(news: Ready) -> None:
        ready(news)
        sd_notify(notify_socket, "READY=1")

    def go_on() -> None:
        sd_notify(notify_socket, f"EXTEND_TIMEOUT_USEC={PATIENCE_S * 1_000_000}")

    def remade(done: int, total: int) -> None:
        tell_remade(done, total)
        go_on()

    def rescuing() -> None:
        tell_rescue(home)
        go_on()

    with (
        home.lock(),
        logging_to(log_to, config.log),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        # Once, but for a home that becomes the device of another author meanwhile.
        while runner.run(
            serve_node(config, home, ready=announce, on_remade=remade, on_rescue=rescuing)
        ):
            log.info("starting again: this home has another identity now")


def tell_remade(done: int, total: int) -> None:
    """Why a start after an update takes longer."""
    if done == total or done % REMADE_TOLD == 0:
        log.info("reading the records anew after an update: %d of %d", done, total)


def tell_rescue(home: Home) -> None:
    """How far a start is that looks through a damaged file of snapshots."""
    try:
        written, whole = how_far(vault_beside(home.database))
    except OSError:  # it has just taken its place
        return
    if written:
        log.info("snapshots.db: %s of %s written anew", size_text(written), size_text(whole))
    else:
        log.info("snapshots.db is being looked through, %s", size_text(whole))


async def serve_node(
    config: Config,
    home: Home,
    *,
    ready: Callable[[Ready], None],
    on_remade: Callable[[int, int], None] = tell_remade,
    on_rescue: Callable[[], None] = nobody,
) -> bool:
    """One node in this loop; the caller holds the home's lock. Gives whether to begin again."""
    stop, at_once = asyncio.Event(), asyncio.Event()
    with _listener(config.api) as listener, _signals(stop, at_once):
        port: int = listener.getsockname()[1]
        host = WILDCARDS.get(config.api.host, config.api.host)
        api = f"http://{in_url(host)}:{port}"
        async with open_node(
            config,
            home,
            api=api,
            stop=stop,
            at_once=at_once,
            on_remade=on_remade,
            on_rescue=on_rescue,
        ) as node:
            allowed = allowed_names(
                config.api.host,
                port,
                more_hosts=config.api.allowed_hosts,
                more_origins=config.api.allowed_origins,
                is_loopback=config.api.is_loopback,
            )
            await _run_tasks(node, make_app(node, allowed), listener, ready)
    log.info("stopped")
    return node.again.is_set()


async def _run_tasks(
    node: Node, app: ASGIApp, listener: socket.socket, ready: Callable[[Ready], None]
) -> None:
    address = node.network.address
    news = Ready(node.api, address, node.identity.did, str(node.home.path), relay_url(node))
    write_token(node)
    server = EmbeddedServer(_uvicorn_config(app))
    try:
        async with background_tasks() as tasks:
            tasks.create_task(_renew_token(node), name="token")
            http = tasks.create_task(server.serve(sockets=[listener]), name="http")
            await server.accepts.wait()
            node.home.write_node_file(NodeFile(news.api, news.p2p, os.getpid(), news.did))
            _settle_heap()
            log.info("ready at %s, peers at %s", news.api, news.p2p)
            node.events.publish("ready", {"api": news.api, "p2p": news.p2p, "did": news.did})
            ready(news)
            tasks.create_task(make_ready(node.store), name="lists: ready")
            tasks.create_task(keep_giving_back(), name="memory: give back")
            await node.stop.wait()
            log.info("stopping")
            await node.drain()
            node.events.close()  # open streams would hold the server up
            server.should_exit = True
            await http
    finally:
        node.home.remove_node_file()


def relay_url(node: Node) -> str:
    """By which others reach this relay, with the key that it proves; empty for other nodes."""
    config = node.config.relay
    if node.relay is None:
        return ""
    if config.public:
        return config.public
    return f"relay://{node.identity.device_did.removeprefix(DID)}@{node.network.address}"


class _Told(logging.Filter):
    """An error of ours that ended a body in the middle is no bug, and `node.api.app` told of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, Exception) or problem_of(error) is None


TOLD: Final = _Told()


class EmbeddedServer(uvicorn.Server):
    """Leaves signals to the daemon (the base class raises them again), and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = asyncio.Event()
        logging.getLogger("uvicorn.error").addFilter(TOLD)  # once, however often

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepts.set()


def write_token(node: Node) -> None:
    """A fresh admin token for the command line, 0600."""
    token = node.tokens.issue("admin", now_s=node.clock_s())
    write_private(node.home.token_file, token.encode() + b"\n")


async def _renew_token(node: Node) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        write_token(node)


def _settle_heap() -> None:
    """Takes what the start made, and the node keeps, out of what the garbage collector looks at.

    A full collection over it stopped the loop for 50 ms in the middle of a sync.
    """
    gc.collect()
    gc.freeze()


def _uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who called by which scheme
        date_header=True,
        http=HTTP,
        ws="auto",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ws_max_size=1 << 20,
    )


def _listener(config: ApiConfig) -> socket.socket:
    """Bound before the app is made: the allowed origins name the port."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        detail = f"cannot listen on {where}: {error.strerror or error}; try --port 0"
        raise BadSetting(detail, code="cannot-listen") from error


@contextlib.contextmanager
def _signals(stop: asyncio.Event, at_once: asyncio.Event) -> Generator[None]:
    """The first one ends the node in order; with the second nothing is waited for."""
    loop = asyncio.get_running_loop()

    def caught() -> None:
        (at_once if stop.is_set() else stop).set()

    handled = (signal.SIGINT, signal.SIGTERM)
    for each in handled:
        loop.add_signal_handler(each, caught)
    try:
        yield
    finally:
        for each in handled:
            loop.remove_signal_handler(each)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
