"""Searches over 100,000 modules: through the index alone, and over HTTP from a running daemon.

The queries are of every kind in turn: one word and two as common as in the texts, a word begun, a
name in full, a slip of one letter, and words with a tag to keep to.
"""

import asyncio
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, Final
from urllib.parse import urlencode

from node.commands.nodes import start_node
from node.home import Home
from registry.facts import facts_of
from registry.listings import project
from scripts.benchmarks._population import TAGS, WORDS, clock_us, copy_home, large_home, word
from storage.search_index import open_search_index
from storage.store import open_store

RECORDS: Final = 100_000
OWN: Final = 5
QUERIES: Final = 600
WARM_UP: Final = 60
LIMIT: Final = 20
P95_MS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Query:
    kind: str
    text: str
    tags: tuple[str, ...] = ()


def main() -> dict[str, Any]:
    """Median and p95 of both ways, and p95 of each kind of query by the index."""
    queries = make_queries(QUERIES)
    with tempfile.TemporaryDirectory() as name:
        home = copy_home(Path(name) / "alice", large_home(RECORDS - OWN), RECORDS - OWN, RECORDS)
        by_index = asyncio.run(search_index(home, queries))
        over_http = search_http(home, queries)
    index, whole = spread(by_index), spread(over_http)
    kinds = {query.kind for query in queries}
    return {
        "records": RECORDS,
        "queries": QUERIES,
        "index_ms": index,
        "http_ms": whole,
        "index_p95_ms_by_kind": {
            kind: spread(
                [ms for ms, query in zip(by_index, queries, strict=True) if query.kind == kind]
            )["p95"]
            for kind in sorted(kinds)
        },
        "p95_ms_max": P95_MS_MAX,
        "held": index["p95"] < P95_MS_MAX and whole["p95"] < P95_MS_MAX,
    }


def make_queries(count: int) -> list[Query]:
    """The same ones each time, kinds in turn."""
    random = Random(1)
    kinds: tuple[Callable[[], Query], ...] = (
        lambda: Query("word", word(random)),
        lambda: Query("two words", f"{word(random)} {word(random)}"),
        lambda: Query("begun", word(random)[: random.randint(3, 5)]),
        lambda: Query("name", f"{word(random)} {word(random)} {random.randrange(RECORDS)}"),
        lambda: Query("slip", with_slip(random, word(random))),
        lambda: Query("tag", word(random), (WORDS[random.randrange(TAGS)],)),
    )
    return [kinds[number % len(kinds)]() for number in range(count)]


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
        for query in (*queries[:WARM_UP], *queries):
            started_s = time.perf_counter()
            await index.search(query.text, kind="module", tags=query.tags, limit=LIMIT)
            took_ms.append((time.perf_counter() - started_s) * 1000)
    return took_ms[WARM_UP:]


def search_http(home: Home, queries: Sequence[Query]) -> list[float]:
    """Milliseconds of each by a client with one open connection, as a page has; JSON decoded."""
    node = start_node(home.path.name, home.path.parent, "--no-mdns")
    try:
        client = node.client
        connection = http.client.HTTPConnection(client.host, client.port)
        took_ms = [ask(connection, query) for query in (*queries[:WARM_UP], *queries)]
        connection.close()
    finally:
        node.stop()
    return took_ms[WARM_UP:]


def ask(connection: http.client.HTTPConnection, query: Query) -> float:
    fields = {"q": query.text, "kind": "module", "tag": query.tags, "limit": LIMIT}
    started_s = time.perf_counter()
    connection.request("GET", f"/api/search?{urlencode(fields, doseq=True)}")
    answer = connection.getresponse()
    found = json.loads(answer.read())
    assert answer.status == 200, found
    return (time.perf_counter() - started_s) * 1000


def spread(took_ms: Sequence[float]) -> dict[str, float]:
    """Median, p95 and the slowest."""
    cuts = quantiles(took_ms, n=20)
    return {"median": round(cuts[9], 2), "p95": round(cuts[18], 2), "max": round(max(took_ms), 1)}
