"""Many small modules by one author, made as a node makes them: one publish edit, signed, each.

Words follow Zipf's law, as words do: the commonest stands in a third of all descriptions, the
rarest in a handful. All modules name one small WASM file, which the benchmarks do not transfer.
"""

import asyncio
import atexit
import functools
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

from crdt.change import DocumentId, SignedEntry, Signer, sign_change
from crdt.did import encode_did_key
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS, AuthorKey
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from registry.facts import facts_of
from registry.listed import Capability
from registry.manifest import Manifest
from registry.module import CLASS, KIND
from registry.names import ModuleName
from registry.publication import publish_version
from registry.statement import Artifact, Release, sign_release
from registry.versions import parse_version
from scripts.benchmarks._descriptions import Text
from storage.search_index import open_search_index
from storage.store import Store, open_store

WASM: Final = b"\0asm\1\0\0\0"  # the smallest module there is
EXPORTS: Final = (Capability("add", "func", "(i32, i32) -> i32"),)
CREATED_US: Final = 1_790_000_000_000_000  # in 2026; each module a second after the one before
SECOND_US: Final = 1_000_000
CHUNK: Final = 1_000  # modules that a process makes at a time, and that a store receives at once
PROCESSES: Final = 2

_SYLLABLES: Final = ("ba", "co", "di", "fu", "ge", "lo", "ma", "ni", "po", "re", "su", "ta")
WORDS: Final = tuple(
    first + second + third for third in _SYLLABLES for second in _SYLLABLES for first in _SYLLABLES
)
_WEIGHTS: Final = tuple(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))
DESCRIPTION_WORDS: Final = 8
TAGS: Final = 24


@dataclass(frozen=True, slots=True)
class Author:
    """Whose modules they are; keys as bytes, to be sent to the processes that make them."""

    key: bytes
    device_seed: bytes
    capabilities: Mapping[str, bytes]

    def signer(self) -> Signer:
        device = SigningKey.from_seed(self.device_seed)
        return Signer(device, AuthorKey(self.key), self.capabilities)


def author_of(home: Home) -> Author:
    """The identity of a home, made where there is none."""
    home.make()
    identity = load_or_create(home, os.urandom)
    return Author(identity.author, identity.device.seed, dict(identity.capabilities))


def word(random: Random) -> str:
    """One word of the vocabulary, as often as its rank says."""
    (chosen,) = random.choices(WORDS, cum_weights=_WEIGHTS)
    return chosen


def make_modules(author: Author, start: int, stop: int) -> list[SignedEntry]:
    """The modules numbered from `start` to before `stop`; the same number is the same module."""
    return make_described(author, start, [_made_up(number) for number in range(start, stop)])


def make_described(author: Author, start: int, texts: Sequence[Text]) -> list[SignedEntry]:
    """Modules of these names and descriptions, numbered from `start`."""
    signer = author.signer()
    artifact = Artifact.of(WASM)
    return [_make_module(signer, artifact, *one) for one in enumerate(texts, start)]


def _made_up(number: int) -> Text:
    random = Random(number)
    words = [word(random) for _ in range(DESCRIPTION_WORDS)]
    return Text(
        id=f"{words[0]}.{words[1]}{number}",
        name=f"{words[0]} {words[1]} {number}",
        description=f"A small module that can {' '.join(words)}.",
        tags=tuple(sorted({WORDS[random.randrange(TAGS)] for _ in range(2)})),
    )


def _make_module(signer: Signer, artifact: Artifact, number: int, text: Text) -> SignedEntry:
    manifest = Manifest(
        id=f"org.example.{text.id}",
        name=text.name,
        version=parse_version("1.0.0"),
        description=text.description,
        license="MIT",
        tags=text.tags,
        wasm="add.wasm",
        readme=None,
        dependencies=(),
        imports=(),
    )
    name = ModuleName(encode_did_key(signer.author), manifest.id)
    release = Release(name, "1.0.0", artifact, (), {}, "wasmtime 50.0.1", "default")
    now_us = CREATED_US + number * SECOND_US
    edit = publish_version(
        manifest, sign_release(release, signer.device), now_us=now_us, exports=EXPORTS
    )
    raw = Document.open(CLASS, KIND, signer.device.public).change(edit)
    assert raw is not None, "a publish edit always changes something"
    document = DocumentId(COMMONS, signer.author, CLASS, KIND, manifest.id.encode())
    timestamp = tai_from_unix_us(now_us)
    return sign_change(raw, document, signer=signer, prev=None, timestamp=timestamp)


async def fill(
    store: Store, author: Author, start: int, stop: int, texts: Sequence[Text] = ()
) -> None:
    """Puts the modules of these numbers through `store.receive`; two processes make them.

    With `texts`, those number by number; else of made up words.
    """
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the store's threads, stopped
    with ProcessPoolExecutor(PROCESSES, spawn) as makers:
        made = [
            asyncio.wrap_future(
                makers.submit(make_described, author, at, texts[at : min(at + CHUNK, stop)])
                if texts
                else makers.submit(make_modules, author, at, min(at + CHUNK, stop))
            )
            for at in range(start, stop, CHUNK)
        ]
        for part in made:
            await receive(store, await part)


async def receive(store: Store, entries: Sequence[SignedEntry]) -> None:
    """All of them are new and good, or the benchmark is worth nothing."""
    received = await store.receive(entries, source="benchmark")
    assert len(received.added) == len(entries), received.refused


async def fill_home(
    home: Home, author: Author, start: int, stop: int, texts: Sequence[Text] = ()
) -> None:
    """Fills the store of a home that no node runs in, and brings its search index up to date."""
    async with open_store(home.database, project=project, clock_us=clock_us) as store:
        await fill(store, author, start, stop, texts)
        async with open_search_index(home.index, store, facts_of):
            pass


def make_home(path: Path, count: int, texts: Sequence[Text] = ()) -> Home:
    """A home with an identity and `count` modules by it, of the first of `texts` if there are."""
    home = Home(path)
    asyncio.run(fill_home(home, author_of(home), 0, count, texts))
    return home


def copy_home(path: Path, source: Home, start: int, stop: int) -> Home:
    """What `source` holds and the modules of these numbers, all by one author; a node of its own.

    Modules sort by their names, which begin with words: these lie here and there among the others.
    """
    home = Home(path)
    author_of(home)
    shutil.copy(source.database, home.database)
    shutil.copytree(source.index, home.index)
    asyncio.run(fill_home(home, author_of(source), start, stop))
    return home


@functools.cache
def large_home(count: int) -> Home:
    """Made once for all benchmarks of a run, which copy it; 100,000 modules take two minutes."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_home(Path(folder) / "large", count)


def clock_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000
