"""Evaluators: which module judges genomes, and its bytes, whoever published it.

```
a name that this node comes with     the bundled bytes, the same on every node
NAME[@VERSION], WHOSE/NAME…          a published module; without a version its latest
```
What an attestation says that its evaluator is called is a word of whoever signed it. `names_of`
says what is known of the very bytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from crdt.blob import BlobId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.demo import evaluators
from node.errors import NotFound, Rejected, Unverified
from node.ports import Network
from node.services.fetch import fetch_blob
from node.services.modules import LISTED, find_module, read_module, version_of
from registry.attestation import Attestation
from registry.fitness import Name
from registry.listed import ModuleVersion
from registry.wasm.evaluator import EVALUATOR_BYTES_MAX
from storage.store import Store

FOR_FORMAT: Final = {
    "rle": "io.panspermia.life-score",
    "neat-network": "io.panspermia.forager",
    "primordium-genotype": "io.panspermia.forager",
}
"""What judges a genome of a format, where nobody says."""

TICKS_MAX: Final = {"io.panspermia.life-score": 90_000, "io.panspermia.forager": 100_000}
"""What those that come with the node judge, as their readmes say; above it no genome at all."""

MODULES_LOOKED_UP_MAX: Final = 256
"""For one list. People follow few who publish evaluators; each costs a look into the store."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What it is called, and what it is."""

    module: str
    """A full name; a bare id, where it comes with every node."""
    version: str
    blake3: bytes
    wasm: bytes


def for_format(format: str) -> str:
    """The evaluator of a format. Raises `NotFound` where there is none."""
    if format not in FOR_FORMAT:
        known = ", ".join(FOR_FORMAT)
        detail = f"no evaluator of {format} comes with the node (of {known}); name one: --with"
        raise NotFound(detail, code="no-evaluator")
    return FOR_FORMAT[format]


def bundled(name: str = "", digest: bytes = b"") -> Evaluator | None:
    """The one of that name or hash that every node has."""
    for one in evaluators():
        if one.blake3 == digest or name in (one.id, f"{one.id}@{one.version}"):
            return Evaluator(one.id, one.version, one.blake3, one.wasm)
    return None


def check_ticks(found: Evaluator, ticks: int) -> None:
    """Before it is run for nothing. Raises `Rejected` for more than a bundled one judges."""
    own = bundled(digest=found.blake3)
    most = ticks if own is None else TICKS_MAX[own.module]
    if ticks > most:
        detail = f"{ticks:,} ticks: {found.module} judges at most {most:,}, of whatever genome"
        raise Rejected(detail, code="invalid-evaluation")


async def find_evaluator(
    store: Store, network: Network, name: str, namespace: NamespaceKey = COMMONS
) -> Evaluator:
    """By its name. Raises as `find_module` and `fetch_blob` do."""
    if (own := bundled(name)) is not None:
        return own
    text, _, wanted = name.partition("@")
    module = await find_module(store, text, namespace)
    version = version_of(module, wanted or module.latest_version)
    wasm = await _bytes_of(store, network, module.full_name, version)
    return Evaluator(module.full_name, version.version, bytes.fromhex(version.blake3), wasm)


async def evaluator_said(
    store: Store,
    network: Network,
    module: str,
    version: str,
    digest: bytes,
    namespace: NamespaceKey = COMMONS,
    *,
    is_persons: bool = True,
) -> Evaluator:
    """The one that an attestation names. Raises `Unverified` where the name has other bytes.

    `is_persons`: a person asked for it, and its bytes are not only kept (`storage.kept`).
    """
    if (own := bundled(digest=digest)) is not None:
        return own
    found = version_of(await find_module(store, module, namespace), version)
    if bytes.fromhex(found.blake3) != digest:
        detail = f"{module} {version} is not {digest.hex()}, but {found.blake3}"
        raise Unverified(detail, code="evaluator-differs")
    wasm = await _bytes_of(store, network, module, found, is_persons=is_persons)
    return Evaluator(module, version, digest, wasm)


def is_called(said: Attestation, text: str) -> bool:
    """Whether somebody means its evaluator by `text`: a name, one with a version, or the hash."""
    name, _, version = text.partition("@")
    called = {(said.evaluator, ""), (said.module, said.version)}
    called.add((said.module.rpartition("/")[2], said.version))
    if (own := bundled(digest=bytes.fromhex(said.evaluator))) is not None:
        called.add((own.module, own.version))
    return any(name == each and version in ("", known) for each, known in called)


async def names_of(
    store: Store,
    said: Iterable[Attestation],
    believes: Callable[[str], bool],
    namespace: NamespaceKey = COMMONS,
) -> dict[str, Name]:
    """Names of evaluators that `said` speaks of, by their hash in hex: of the bundled ones, and of
    those whose bytes a module holds that is known here and that `believes` takes, by its full name.
    """
    names = {one.blake3.hex(): Name(one.id, one.version) for one in evaluators()}
    modules: dict[str, set[str]] = {}
    for each in said:
        if each.evaluator not in names and "/" in each.module and believes(each.module):
            modules.setdefault(each.module, set()).add(each.evaluator)
    found = dict(names)
    for module in sorted(modules)[:MODULES_LOOKED_UP_MAX]:
        author, _, id = module.partition("/")
        row = await store.listing(LISTED, author, id, namespace)
        for version in read_module(row).versions if row else ():
            if version.blake3 in modules[module]:
                found.setdefault(version.blake3, Name(module, version.version))
    return found


async def _bytes_of(
    store: Store,
    network: Network,
    name: str,
    version: ModuleVersion,
    *,
    is_persons: bool = True,
) -> bytes:
    if version.wasm_size > EVALUATOR_BYTES_MAX:
        detail = f"{name} has {version.wasm_size:,} bytes, at most {EVALUATOR_BYTES_MAX:,}"
        raise Rejected(detail, code="too-large")
    blob = BlobId(bytes.fromhex(version.blob))
    author = AuthorKey(decode_did_key(name.partition("/")[0]))
    wasm = await fetch_blob(
        store, network, blob,
        size_bytes_max=version.wasm_size, kept_for=None if is_persons else author,
    )  # fmt: skip
    if blake3(wasm).hexdigest() != version.blake3:
        raise Unverified(f"{name} {version.version} is not what its author signed")
    return wasm
