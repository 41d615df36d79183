"""Searches over 100,000 real descriptions of packages: by the index alone, and over HTTP.

The queries are of every kind in turn: one word and two of a description, a word begun, a name in
full, a slip of one letter, and a word with a tag to keep to. No two are the same, so nothing is
remembered; lists are asked for again and again, as pages do. What a machine can do is told by the
CPU time of the node's process for each request, whatever else has its cores meanwhile.
"""

import asyncio
import http.client
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, Final
from urllib.parse import urlencode

from crdt.keys import COMMONS
from node.commands.nodes import LocalNode, start_node
from node.home import Home
from node.projection import project
from registry.facts import facts_of
from scripts.benchmarks._descriptions import Text, read_texts
from scripts.benchmarks._population import (
    author_of,
    clock_us,
    copy_home,
    make_described,
    make_home,
)
from scripts.benchmarks._usage import usage_of
from storage.search_index import open_search_index
from storage.store import open_store

RECORDS: Final = 100_000
OWN: Final = 5
QUERIES: Final = 1_200
WARM_UP: Final = 60
LIMIT: Final = 20
TOGETHER: Final = 8
"""Connections that ask at the same time, so that the node always has something to do."""
LISTS: Final = 1_000
LATE: Final = 60
"""Records that come one by one, each looked for until it is found."""
P95_MS_MAX: Final = 5.0
PER_CORE_MIN: Final = 1_000
LISTS_PER_CORE_MIN: Final = 2_500
FOUND_P95_MS_MAX: Final = 250.0


@dataclass(frozen=True, slots=True)
class Query:
    kind: str
    text: str
    tags: tuple[str, ...] = ()


def main() -> dict[str, Any]:
    """Spread of both ways, requests a second of one core, and how soon what comes is found."""
    texts = read_texts(RECORDS + LATE)
    if not texts:
        return {"skipped": "this machine has no package lists: apt-get update", "held": None}
    queries = make_queries(texts, WARM_UP + 2 * QUERIES)
    with tempfile.TemporaryDirectory() as name:
        source = make_home(Path(name) / "source", RECORDS - OWN, texts)
        home = copy_home(Path(name) / "alice", source, RECORDS - OWN, RECORDS)
        by_index = asyncio.run(search_index(home, queries[: WARM_UP + QUERIES]))
        http = measure_http(home, queries)
        found = asyncio.run(late_ones(home, texts))
    index, soon = spread(by_index), spread(found)
    kinds = [query.kind for query in queries[WARM_UP : WARM_UP + QUERIES]]
    return {
        "records": RECORDS,
        "descriptions": len({text.description for text in texts}),
        "queries": QUERIES,
        "index_ms": index,
        "index_p95_ms_by_kind": {
            kind: spread([ms for ms, each in zip(by_index, kinds, strict=True) if each == kind])[
                "p95"
            ]
            for kind in dict.fromkeys(kinds)
        },
        **http,
        "received_to_found_ms": soon,
        "held": index["p95"] < P95_MS_MAX
        and http["searches_per_core"] >= PER_CORE_MIN
        and http["lists_per_core"] >= LISTS_PER_CORE_MIN
        and soon["p95"] < FOUND_P95_MS_MAX,
    }


def make_queries(texts: Sequence[Text], count: int) -> list[Query]:
    """The same ones each time, kinds in turn."""
    random = Random(1)

    def words(text: Text) -> list[str]:
        return re.findall("[a-z]{4,}", text.description.lower()) or ["package"]

    def word() -> str:
        return random.choice(words(random.choice(texts)))

    def two() -> str:
        found = words(random.choice(texts))
        return " ".join(random.sample(found, min(2, len(found))))

    def tagged() -> Query:
        text = random.choice(texts)
        return Query("tag", random.choice(words(text)), text.tags[:1])

    kinds: tuple[Callable[[], Query], ...] = (
        lambda: Query("word", word()),
        lambda: Query("two words", two()),
        lambda: Query("begun", word()[: random.randint(3, 5)]),
        lambda: Query("name", random.choice(texts).name),
        lambda: Query("slip", with_slip(random, word())),
        tagged,
    )
    made: dict[Query, None] = {}
    while len(made) < count:
        made.setdefault(kinds[len(made) % len(kinds)]())
    return [*made]


def with_slip(random: Random, text: str) -> str:
    """One letter of it exchanged for one that no word has."""
    place = random.randrange(len(text))
    return f"{text[:place]}x{text[place + 1 :]}"


async def search_index(home: Home, queries: Sequence[Query]) -> list[float]:
    """Milliseconds of each, rows read from the store included."""
    took_ms: list[float] = []
    async with (
        open_store(home.database, project=project, clock_us=clock_us) as store,
        open_search_index(home.index, store, facts_of) as index,
    ):
        for query in queries:
            started_s = time.perf_counter()
            await index.search(query.text, kind="module", tags=query.tags, limit=LIMIT)
            took_ms.append((time.perf_counter() - started_s) * 1000)
    return took_ms[WARM_UP:]


async def late_ones(home: Home, texts: Sequence[Text]) -> list[float]:
    """Milliseconds from when a record was received until a search finds it, while nodes follow."""
    took_ms: list[float] = []
    async with (
        open_store(home.database, project=project, clock_us=clock_us) as store,
        open_search_index(home.index, store, facts_of) as index,
        asyncio.TaskGroup() as tasks,
    ):
        caught_up = asyncio.Event()
        follower = tasks.create_task(index.follow(lambda count: caught_up.set()))
        author = author_of(home)
        for number in range(LATE):
            text = Text(f"late.n{number}", f"latecomer{number}", texts[number].description, ())
            entries = make_described(author, RECORDS + number, [text])
            started_s = time.perf_counter()
            await store.receive(entries, source="benchmark")
            while not (await index.search(text.name, namespaces=[COMMONS])).hits:
                await caught_up.wait()
                caught_up.clear()
            took_ms.append((time.perf_counter() - started_s) * 1000)
        follower.cancel()
    return took_ms


def measure_http(home: Home, queries: Sequence[Query]) -> dict[str, Any]:
    """By a client with one open connection, as a page has."""
    node = start_node(home.path.name, home.path.parent, "--no-mdns")
    try:
        paths = [path_of(query) for query in queries]
        ask_all(node, paths[:WARM_UP])
        took_ms, search_ms = ask_all(node, paths[WARM_UP : WARM_UP + QUERIES])
        busy_ms = ask_together(node, paths[WARM_UP + QUERIES :])
        _, again_ms = ask_all(node, paths[:1] * LISTS)
        _, list_ms = ask_all(node, ["/api/modules?limit=100"] * LISTS)
    finally:
        node.stop()
    return {
        "http_ms": spread(took_ms),
        "search_cpu_ms": {"one by one": round(search_ms, 3), "together": round(busy_ms, 3)},
        "searches_per_core_one_by_one": round(1000 / search_ms),
        "searches_per_core": round(1000 / busy_ms),
        "same_search_per_core": round(1000 / again_ms),
        "list_of_100_cpu_ms": round(list_ms, 3),
        "lists_per_core": round(1000 / list_ms),
    }


def path_of(query: Query) -> str:
    fields = {"q": query.text, "kind": "module", "tag": query.tags, "limit": LIMIT}
    return f"/api/search?{urlencode(fields, doseq=True)}"


def ask_all(node: LocalNode, paths: Sequence[str]) -> tuple[list[float], float]:
    """(milliseconds of each, JSON decoded; CPU of the node in milliseconds for each)"""
    connection = http.client.HTTPConnection(node.client.host, node.client.port)
    before_s = usage_of(node.process.pid).cpu_s
    took_ms = [ask(connection, path) for path in paths]
    spent_s = usage_of(node.process.pid).cpu_s - before_s
    connection.close()
    return took_ms, 1000 * spent_s / len(paths)


def ask_together(node: LocalNode, paths: Sequence[str]) -> float:
    """CPU of the node in milliseconds for each, where `TOGETHER` connections ask without a pause.

    Asked one by one the node sleeps after each, and wakes with its caches cold.
    """
    before_s = usage_of(node.process.pid).cpu_s
    asyncio.run(_ask_together(node, iter(paths)))
    return 1000 * (usage_of(node.process.pid).cpu_s - before_s) / len(paths)


async def _ask_together(node: LocalNode, paths: Iterator[str]) -> None:
    host, port = node.client.host, node.client.port

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for path in paths:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            size = re.search(rb"content-length: (\d+)", head)
            assert size, head
            json.loads(await reader.readexactly(int(size[1])))
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as tasks:
        for number in range(TOGETHER):
            tasks.create_task(one(), name=f"ask, {number}")


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    started_s = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    assert answer.status == 200, found
    return (time.perf_counter() - started_s) * 1000


def spread(took_ms: Sequence[float]) -> dict[str, float]:
    """Median, p95 and the slowest."""
    cuts = quantiles(took_ms, n=20)
    return {"median": round(cuts[9], 2), "p95": round(cuts[18], 2), "max": round(max(took_ms), 1)}
