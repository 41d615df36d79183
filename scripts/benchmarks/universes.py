"""A node with 10,000 universes over HTTP: listed, forked, told, added to.

Each list is asked for right after something was written, when nothing of it is remembered, and
then again. Forked is a world of 100 MB, of which nothing is copied. One universe has 2,000
snapshots and 2,000 events; its whole timeline is asked for, and autosaves are added. At last a node
is sent several states of that world, and eight read them at once, six times more beside a scrub
and an upload; and another is sent a hundred states at once. No other program that keeps
universes is known, so nothing is measured beside it.
"""

import asyncio
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from crdt.blob import BlobId
from crdt.change import DocumentId, SignedEntry, sign_change
from crdt.did import encode_did_key
from crdt.document import Document, Editor
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS
from node.commands.nodes import LocalNode, start_node
from node.home import Home
from node.projection import project
from registry.facts import facts_of
from registry.head import Words
from scripts.benchmarks._population import (
    CREATED_US,
    SECOND_US,
    Author,
    author_of,
    clock_us,
    receive,
    word,
)
from scripts.benchmarks._usage import usage_of
from scripts.benchmarks._world import JSON, World
from scripts.benchmarks.loop import BLOCKED_MS_MAX, start_watched, told
from storage.search_index import open_search_index
from storage.store import open_store
from universe.event import Event, encode_event
from universe.record import CLASS, KIND, Facts, add_event, add_snapshot, create_universe
from universe.retention import KEEP_ALL, write_policy
from universe.snapshot import Snapshot, sign_snapshot

UNIVERSES: Final = 10_000
OWNERS: Final = 100
BATCH: Final = 500
SNAPSHOTS: Final = 2_000
WORLD_BYTES: Final = 100_000_000
ASKED: Final = 100
ALL_ASKED: Final = 20
FORKS: Final = 100
AUTOSAVES: Final = 30
AUTOSAVE_BYTES: Final = 10_000
PAGE: Final = 1_000
STATES: Final = 4
READERS: Final = 8
ROUNDS: Final = 6
SENDERS: Final = 100
SENT_BYTES: Final = 4 << 20
LIST_MS_MAX: Final = 50.0
FORK_MS_MAX: Final = 10.0
MEMORY_MIB_MAX: Final = 286.0  # 300 MB
LONG: Final = "universe:long"
WORLD: Final = "universe:world"
LISTS: Final[Mapping[str, str]] = {
    "page": "/api/universes",
    "of_owner": "/api/universes?ownerId=player:7",
    "public": "/api/universes?publicOnly=true",
    "search": "/api/search?q=world&kind=universe",
}
Edit = Callable[[Editor], None]


def main() -> dict[str, Any]:
    """Milliseconds over one open connection: medians, and what 95 of 100 stay below."""
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "alice")
        asyncio.run(fill(home))
        node = start_node(home.path.name, home.path.parent, "--no-mdns")
        try:
            figures = measured(node)
        finally:
            node.stop()
        figures["wrapped"] = wrapped_figures(Path(name))
        figures["readers"] = readers_figures(Path(name))
        figures["senders"] = senders_figures(Path(name))
    lists = figures["list_ms"]
    anew = [*lists.values(), figures["all_by_pages_of_1000_ms"]]
    first_ms = [figures["first_list_ms"], figures["all_by_pages_of_1000_ms"]["first"]]
    worst_ms = max(*first_ms, *(one["anew"]["p95"] for one in anew))
    fork = figures["fork"]
    is_copied = fork["store_grew_bytes"] > fork["forks"] * 64 * 1024
    wrapped = figures["wrapped"]
    figures["held"] = (
        worst_ms < LIST_MS_MAX
        and fork["ms"]["p95"] < FORK_MS_MAX
        and not is_copied
        and wrapped["rss_peak_mib"] < MEMORY_MIB_MAX
        and wrapped["blocked_ms"] <= BLOCKED_MS_MAX
        and figures["readers"]["rss_peak_mib"] < MEMORY_MIB_MAX
        and figures["readers"]["busy"]["rss_peak_mib"] < MEMORY_MIB_MAX
        and figures["senders"]["rss_peak_mib"] < MEMORY_MIB_MAX
    )
    return figures


def measured(node: LocalNode) -> dict[str, Any]:
    world = World(JSON, WORLD_BYTES).save()  # a node closes a connection on which nothing comes
    web = Http(node)
    first_ms = web.timed("GET", LISTS["page"])
    lists = {name: list_times(web, path) for name, path in LISTS.items()}
    pages = all_pages_times(node, web)
    web.ask("POST", "/api/universe", {"id": WORLD, "name": "World", "isPublic": True})
    stored_ms = web.timed("POST", f"/api/universe/{WORLD}/snapshot?tick=100", world)
    fork = {"world_bytes": len(world), **forked(node, web)}
    timeline = [web.timed("GET", f"/api/universe/{LONG}/timeline") for _ in range(10)]
    told = web.ask("GET", f"/api/universe/{LONG}/timeline")
    assert len(told["entries"]) == 2 * SNAPSHOTS, len(told["entries"])
    autosaves = [*autosave_times(node, web)]
    return {
        "universes": UNIVERSES,
        "first_list_ms": round(first_ms, 1),
        "list_ms": lists,
        "all_by_pages_of_1000_ms": pages,
        "world_stored_ms": round(stored_ms),
        "fork": fork,
        "timeline_ms": show(timeline),
        "snapshots": SNAPSHOTS,
        "autosave_ms": show([ms for ms, _ in autosaves]),
        "autosave_cpu_ms": round(sum(cpu for _, cpu in autosaves) / len(autosaves), 1),
    }


class Http:
    """One open connection to a node."""

    def __init__(self, node: LocalNode) -> None:
        client = node.client
        self._connection = http.client.HTTPConnection(client.host, client.port)
        self._headers = {"authorization": f"Bearer {client.token}"}

    def ask(self, method: str, path: str, *body: Any) -> Any:  # noqa: ANN401 - as `send`; JSON
        return json.loads(self.send(method, path, *body))

    def send(
        self, method: str, path: str, body: object = None, media: str = "application/octet-stream"
    ) -> bytes:
        """The body of the answer."""
        headers, data = dict(self._headers), None
        if isinstance(body, bytes):
            data, headers["content-type"] = body, media
        elif body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), text
        self.took_s = time.perf_counter()
        return text

    def timed(self, method: str, path: str, *body: Any) -> float:  # noqa: ANN401 - as of `ask`
        """Milliseconds until the last byte came, without reading its JSON."""
        began_s = time.perf_counter()
        self.ask(method, path, *body)
        return (self.took_s - began_s) * 1_000


def wrapped_figures(folder: Path) -> dict[str, Any]:
    """Of a node that is sent a world inside of JSON: its memory, and how long its loop stood."""
    body = b'{"snapshot":' + World(JSON, WORLD_BYTES).save() + b',"tick":1,"type":"auto"}'
    node = start_watched("wrapped", folder)
    try:
        web = Http(node)
        web.ask("POST", "/api/universe", {"id": WORLD, "name": "World", "isPublic": True})
        took_ms = web.timed("POST", f"/api/universe/{WORLD}/snapshot", body, "application/json")
        usage = usage_of(node.process.pid)
    finally:
        node.stop()
    return {
        "bytes": len(body),
        "ms": round(took_ms),
        "rss_peak_mib": usage.rss_peak_mib,
        "blocked_ms": told(folder / "wrapped.out")["longest_own_ms"],
    }


def readers_figures(folder: Path) -> dict[str, Any]:
    """Of a node that was sent states of a world, which many then read at once: its memory."""
    world, node = World(JSON, WORLD_BYTES), start_node("readers", folder, "--no-mdns")
    try:
        web = Http(node)
        web.ask("POST", "/api/universe", {"id": WORLD, "name": "World", "isPublic": True})
        sizes = list[int]()
        for tick in range(STATES):
            state = world.save()
            web = Http(node)  # an open connection on which nothing came meanwhile is closed
            web.ask("POST", f"/api/universe/{WORLD}/snapshot?tick={tick}", state)
            sizes.append(len(state))
            world.step()
        ticks = [number % STATES for number in range(READERS)]
        began_s = time.perf_counter()
        with ThreadPoolExecutor(READERS) as threads:
            read = [*threads.map(partial(read_bytes, node), ticks)]
        took_s = time.perf_counter() - began_s
        assert read == [sizes[tick] for tick in ticks], read
        usage = usage_of(node.process.pid)
        busy = busy_figures(node, world, ticks)
    finally:
        node.stop()
    return {
        "states": STATES,
        "at_once": READERS,
        "s": round(took_s, 2),
        "rss_peak_mib": usage.rss_peak_mib,
        "busy": busy,
    }


def busy_figures(node: LocalNode, world: World, ticks: Sequence[int]) -> dict[str, Any]:
    """Of the same node, whose readers read again and again beside a scrub and the next state."""
    peaks = list[float]()
    for number in range(ROUNDS):
        path, state = f"/api/universe/{WORLD}/snapshot?tick={STATES + number}", world.save()
        world.step()
        with ThreadPoolExecutor(READERS + 2) as threads:
            read = threads.map(partial(read_bytes, node), ticks)
            others = [
                threads.submit(Http(node).send, "POST", "/api/scrub", {}),
                threads.submit(Http(node).send, "POST", path, state),
            ]
            assert all([*read, *(one.result() for one in others)])
        peaks.append(usage_of(node.process.pid).rss_peak_mib)
    return {"rounds": ROUNDS, "first_peak_mib": peaks[0], "rss_peak_mib": peaks[-1]}


def senders_figures(folder: Path) -> dict[str, Any]:
    """Of a node that is sent many states at once: its memory. No two share anything."""
    states = [Random(number).randbytes(SENT_BYTES) for number in range(SENDERS)]
    node = start_node("senders", folder, "--no-mdns")

    def send(tick: int) -> None:
        Http(node).send("POST", f"/api/universe/{WORLD}/snapshot?tick={tick}", states[tick])

    try:
        Http(node).ask("POST", "/api/universe", {"id": WORLD, "name": "World", "isPublic": True})
        began_s = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as threads:
            sent = [*threads.map(send, range(SENDERS))]
        took_s = time.perf_counter() - began_s
        usage = usage_of(node.process.pid)
    finally:
        node.stop()
    return {
        "at_once": len(sent),
        "bytes_of_each": SENT_BYTES,
        "s": round(took_s, 2),
        "rss_peak_mib": usage.rss_peak_mib,
    }


def read_bytes(node: LocalNode, tick: int) -> int:
    """How many a state has; none of them is kept."""
    client, size = node.client, 0
    connection = http.client.HTTPConnection(client.host, client.port)
    try:
        headers = {"authorization": f"Bearer {client.token}"}
        connection.request("GET", f"/api/universe/{WORLD}/snapshot/{tick}", None, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        while piece := answer.read(1 << 20):
            size += len(piece)
    finally:
        connection.close()
    return size


def list_times(web: Http, path: str) -> dict[str, Any]:
    """Of an answer that is not remembered, and of one that may be.

    A search right after a write waits for the index: so each is one that nobody made before.
    """
    anew, again = list[float](), list[float]()
    for number in range(ASKED):
        asked = path
        if path == LISTS["search"]:
            asked += f"&limit={ASKED - number}"
        else:
            web.ask("POST", "/api/registry/lineages", {"id": f"written-{len(path)}-{number}"})
        anew.append(web.timed("GET", asked))
        again.append(web.timed("GET", asked))
    return {"anew": show(anew), "again": show(again)}


def all_pages_times(node: LocalNode, web: Http) -> dict[str, Any]:
    """All universes, a thousand at a time: since the start, right after a write, and again."""
    first_ms, cpu_s = all_pages_ms(web), 0.0
    anew, again = list[float](), list[float]()
    for number in range(ALL_ASKED):
        web.ask("POST", "/api/registry/lineages", {"id": f"written-all-{number}"})
        before_s = usage_of(node.process.pid).cpu_s
        anew.append(all_pages_ms(web))
        cpu_s += usage_of(node.process.pid).cpu_s - before_s
        again.append(all_pages_ms(web))
    return {
        "first": round(first_ms, 1),
        "anew": show(anew),
        "anew_cpu": round(cpu_s * 1_000 / ALL_ASKED, 1),
        "again": show(again),
    }


def all_pages_ms(web: Http) -> float:
    """Until the last byte of the last page came; of their JSON only the cursors are read."""
    began_s, pages, path = time.perf_counter(), list[bytes](), f"/api/universes?limit={PAGE}"
    more: str | None = ""
    while more is not None:
        pages.append(web.send("GET", f"{path}&cursor={more}" if more else path))
        (more,) = json.loads(b"[" + pages[-1].rpartition(b'"next":')[2][:-1] + b"]")
    took_ms = (time.perf_counter() - began_s) * 1_000
    found = sum(len(json.loads(page)["universes"]) for page in pages)
    assert found >= UNIVERSES, found
    return took_ms


def forked(node: LocalNode, web: Http) -> dict[str, Any]:
    path, before = f"/api/universe/{WORLD}/fork", stored_bytes(node.home)
    cpu_s = usage_of(node.process.pid).cpu_s
    times = [
        web.timed("POST", path, {"snapshotTick": 100, "name": f"Fork {number}"})
        for number in range(FORKS)
    ]
    cpu_s = usage_of(node.process.pid).cpu_s - cpu_s
    grew = stored_bytes(node.home) - before
    return {
        "ms": show(times),
        "cpu_ms": round(cpu_s * 1_000 / FORKS, 1),
        "forks": FORKS,
        "store_grew_bytes": grew,
    }


def autosave_times(node: LocalNode, web: Http) -> Iterator[tuple[float, float]]:
    """(ms, ms of the node's CPU) of each."""
    for number in range(AUTOSAVES):
        data = Random(number).randbytes(AUTOSAVE_BYTES)
        path = f"/api/universe/{LONG}/snapshot?type=auto&tick={SNAPSHOTS + number}"
        cpu_s = usage_of(node.process.pid).cpu_s
        took_ms = web.timed("POST", path, data)
        yield took_ms, (usage_of(node.process.pid).cpu_s - cpu_s) * 1_000


def stored_bytes(home: Path) -> int:
    """Of all that the node keeps, its database and index too."""
    return sum(file.stat().st_blocks * 512 for file in home.rglob("*") if file.is_file())


async def fill(home: Home) -> None:
    """Universes of 100 players, and one of many snapshots; their bytes are nowhere."""
    author = author_of(home)
    async with open_store(home.database, project=project, clock_us=clock_us) as store:
        for at in range(1, UNIVERSES, BATCH):
            numbers = range(at, min(at + BATCH, UNIVERSES))
            await receive(store, [make_universe(author, number) for number in numbers])
        long = make_long(author)
        for at in range(0, len(long), BATCH):
            await receive(store, long[at : at + BATCH])
        async with open_search_index(home.index, store, facts_of):
            pass


def make_universe(author: Author, number: int) -> SignedEntry:
    random, signer = Random(number), author.signer()
    name, *said = (word(random) for _ in range(8))
    words = Words(f"{name} {number}", f"A world of {' '.join(said)}.", "MIT", tags=("world",))
    config = {"timeScale": number % 5, "magicLevel": 3, "techLevel": "low"}
    facts = Facts(owner=f"player:{number % OWNERS}", config=json.dumps(config))
    document = DocumentId(COMMONS, signer.author, CLASS, KIND, f"universe:{number:05}".encode())
    now_us = CREATED_US + number * SECOND_US
    raw = Document.open(CLASS, KIND, signer.device.public).change(
        create_universe(words, facts, now_us=now_us)
    )
    assert raw is not None, "it was not there"
    timestamp = tai_from_unix_us(now_us)
    return sign_change(raw, document, signer=signer, prev=None, timestamp=timestamp)


def make_long(author: Author) -> Sequence[SignedEntry]:
    """One change for each snapshot and for each event, as a node writes them."""
    signer = author.signer()
    document = DocumentId(COMMONS, signer.author, CLASS, KIND, LONG.encode())
    live, prev = Document.open(CLASS, KIND, signer.device.public), None
    made = list[SignedEntry]()
    full_name = f"{encode_did_key(signer.author)}/{LONG}"
    for number, edit in enumerate(edits(author, full_name)):
        raw = live.change(edit)
        assert raw is not None, "each says something new"
        timestamp = tai_from_unix_us(CREATED_US + number * SECOND_US)
        entry = sign_change(raw, document, signer=signer, prev=prev, timestamp=timestamp)
        made.append(entry)
        prev = entry.id
    return made


def edits(author: Author, universe: str) -> Iterator[Edit]:
    device = author.signer().device
    keep_all = Facts(owner="player:7", retention=write_policy(KEEP_ALL))
    yield create_universe(Words("A long one"), keep_all, now_us=CREATED_US)
    for number in range(SNAPSHOTS):
        now_us = CREATED_US + number * SECOND_US
        random = Random(number)
        taken = Snapshot(
            universe=universe, tick=number, kind="auto", blob=BlobId(random.randbytes(32)),
            size=WORLD_BYTES, checksum=random.randbytes(32), media="application/json",
            at_us=now_us,
        )  # fmt: skip
        yield add_snapshot(sign_snapshot(taken, device), now_us=now_us)
        event = Event(number, now_us, "birth", f"Born {number}", entities=(f"ant-{number}",))
        yield add_event(encode_event(event), now_us=now_us)


def show(times: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(times)
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p95": round(ordered[len(ordered) * 95 // 100], 1),
    }
