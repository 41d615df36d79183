"""The registry's JSON lists over HTTP: genomes, seeds, lineages, the Hall of Fame, modules.

Usual genomes, with 10 kB of genotype each in the list, and small patterns of some 100 bytes; each
list of 100 is asked for again and again over one open connection, as pages do, and once more with
the ETag that came with it. What a machine can do is told by the CPU time of the node's process for
each request, whatever else has its cores meanwhile. A write before each request is the other end:
then every list is put together anew.
"""

import asyncio
import http.client
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from crdt.change import DocumentId, SignedEntry, sign_change
from crdt.document import Document, Editor
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS
from node.commands.nodes import LocalNode, start_node
from node.home import Home
from node.projection import project
from registry import genome, lineage, seed
from registry.content import Content
from registry.facts import facts_of
from registry.head import Words
from scripts.benchmarks._population import (
    CREATED_US,
    SECOND_US,
    Author,
    author_of,
    clock_us,
    make_modules,
    receive,
    word,
)
from scripts.benchmarks._usage import usage_of
from storage.search_index import open_search_index
from storage.store import open_store

OF_EACH: Final = 1_000
BATCH: Final = 100
GENOTYPE_BYTES: Final = 5_000
"""Hex makes 10 kB of it, as of a usual brain."""
LISTS: Final = 1_000
LARGE: Final = 300
WRITES: Final = 40
PER_CORE_MIN: Final = 2_500
PATHS: Final[Mapping[str, str]] = {
    "genomes": "/api/registry/genomes?tag=small",
    "seeds": "/api/registry/seeds",
    "lineages": "/api/registry/lineages",
    "hall_of_fame": "/api/registry/hall_of_fame",
    "modules": "/api/modules",
}
USUAL: Final = "/api/registry/genomes?tag=usual"
Edit = Callable[[Editor], None]


def main() -> dict[str, Any]:
    """Requests a second of one core: of each list, of what is known by its ETag, after a write."""
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "alice")
        asyncio.run(fill(home))
        node = start_node(home.path.name, home.path.parent, "--no-mdns")
        try:
            bytes_of = {name: len(ask(node, path)) for name, path in PATHS.items()}
            lists = {name: per_core(node, path, LISTS) for name, path in PATHS.items()}
            known = {name: per_core(node, path, LISTS, known=True) for name, path in PATHS.items()}
            usual, usual_bytes = per_core(node, USUAL, LARGE), len(ask(node, USUAL))
            usual_known = per_core(node, USUAL, LISTS, known=True)
            anew = {name: after_writes(node, name, path) for name, path in PATHS.items()}
        finally:
            node.stop()
    return {
        "records": 5 * OF_EACH,
        "bytes": {**bytes_of, "usual_genomes": usual_bytes},
        "lists_per_core": lists,
        "known_by_etag_per_core": {**known, "usual_genomes": usual_known},
        "usual_genomes_per_core": usual,
        "anew_after_a_write_per_core": anew,
        "held": min(*lists.values(), *known.values(), usual_known) >= PER_CORE_MIN,
    }


async def fill(home: Home) -> None:
    author = author_of(home)
    async with open_store(home.database, project=project, clock_us=clock_us) as store:
        for at in range(0, OF_EACH, BATCH):
            numbers = range(at, at + BATCH)
            for make in (make_genome, make_usual, make_seed, make_lineage):
                await receive(store, [make(author, number) for number in numbers])
            await receive(store, make_modules(author, at, at + BATCH))
        async with open_search_index(home.index, store, facts_of):
            pass


def make_genome(author: Author, number: int) -> SignedEntry:
    """A small pattern of Life."""
    rows = "$".join(f"{3 + number % 7}b{1 + number % 5}o{number}b" for _ in range(4))
    data = f"#N Pattern {number}\nx = 9, y = 4, rule = B3/S23\n{rows}!\n".encode()
    return _genome(author, number, data, "rle", "small")


def make_usual(author: Author, number: int) -> SignedEntry:
    data = Random(number).randbytes(GENOTYPE_BYTES).hex().encode()
    return _genome(author, number, data, "unknown", "usual")


def _genome(author: Author, number: int, data: bytes, format: str, tag: str) -> SignedEntry:
    content = Content.of(data, format=format)
    facts = genome.Facts(by="bench", fitness_score=number / 7, offspring_count=number, tick=number)
    edit = genome.publish_genome(content, _words(number, tag), facts, now_us=_now_us(number))
    return _signed(author, number, genome.KIND, content.identity, edit)


def make_seed(author: Author, number: int) -> SignedEntry:
    data = f"target_fps = 60\n[world]\nwidth = {number}\nheight = 100\nseed = {number}\n".encode()
    content = Content.of(data, format="primordium-config")
    facts = seed.Facts(by="bench", avg_tick_time=1.5, max_pop=number)
    edit = seed.publish_seed(content, _words(number, "world"), facts, now_us=_now_us(number))
    return _signed(author, number, seed.KIND, content.identity, edit)


def make_lineage(author: Author, number: int) -> SignedEntry:
    facts = lineage.Facts(by="bench", civilization_level=number % 40, start_tick=number)
    edit = lineage.publish_lineage(_words(number, "line"), facts, now_us=_now_us(number))
    return _signed(author, number, lineage.KIND, f"lineage-{number}".encode(), edit)


def _words(number: int, tag: str) -> Words:
    random = Random(number)
    name, *said = (word(random) for _ in range(8))
    return Words(f"{name} {number}", f"It can {' '.join(said)}.", "MIT", tags=(tag,))


def _now_us(number: int) -> int:
    return CREATED_US + number * SECOND_US


def _signed(author: Author, number: int, kind: str, record: bytes, edit: Edit) -> SignedEntry:
    signer = author.signer()
    raw = Document.open(genome.CLASS, kind, signer.device.public).change(edit)
    assert raw is not None, "a publish edit always changes something"
    document = DocumentId(COMMONS, signer.author, genome.CLASS, kind, record)
    timestamp = tai_from_unix_us(_now_us(number))
    return sign_change(raw, document, signer=signer, prev=None, timestamp=timestamp)


def per_core(node: LocalNode, path: str, count: int, *, known: bool = False) -> int:
    """Answers a second of the node's CPU; `known` asks with the ETag, for no body."""
    connection = http.client.HTTPConnection(node.client.host, node.client.port)
    _, tag = get(connection, path, {})
    headers = {"if-none-match": tag} if known else {}
    before_s = usage_of(node.process.pid).cpu_s
    for _ in range(count):
        body, _ = get(connection, path, headers)
        assert bool(body) is not known
    spent_s = usage_of(node.process.pid).cpu_s - before_s
    connection.close()
    return round(count / spent_s)


def after_writes(node: LocalNode, name: str, path: str) -> int:
    """Of lists that nobody asked for since something was written."""
    spent_s = 0.0
    for number in range(WRITES):
        node.client.post("/api/registry/lineages", {"id": f"written-{name}-{number}"})
        before_s = usage_of(node.process.pid).cpu_s
        ask(node, path)
        spent_s += usage_of(node.process.pid).cpu_s - before_s
    return round(WRITES / max(spent_s, 1 / WRITES))


def ask(node: LocalNode, path: str) -> bytes:
    connection = http.client.HTTPConnection(node.client.host, node.client.port)
    body, _ = get(connection, path, {})
    connection.close()
    assert json.loads(body)
    return body


def get(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]
) -> tuple[bytes, str]:
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == (304 if headers else 200), body
    return body, answer.headers["etag"]
