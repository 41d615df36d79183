"""Genomes, seeds and lineages: the Galactic Federation's addresses, and ours beside them.

Its clients work against these unchanged: fields keep their names, lists are plain, and where
`api.compat` is set they need no token. A list's JSON is put together from that of its rows.
"""

import asyncio
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crdt.keys import COMMONS
from node.api.asked import find_called, page_of
from node.api.cleaned import cleaned_genome, cleaned_list, cleaned_seed
from node.api.endpoint import Call, Endpoint, Opening, reads, writes
from node.api.life_models import (
    Genomes,
    GenomesQuery,
    HallOfFame,
    HallQuery,
    Lineages,
    LineagesQuery,
    NewGenome,
    NewLegend,
    NewLineage,
    NewSeed,
    Seeds,
    SeedsQuery,
    SubmissionDone,
    Submitting,
    SubmittingBytes,
)
from node.api.models import InNamespace, NoQuery
from node.api.requests import PUBLISH_BYTES_MAX, answer_json, is_known
from node.api.routes.blobs import FOREVER
from node.errors import Fault, NotAllowed, Rejected
from node.services.hall import famous_lineages
from node.services.life import (
    GENOME,
    LINEAGE,
    SEED,
    Found,
    Kind,
    content_of,
    count_download,
    file_of,
    show_page,
    show_record,
)
from node.services.names import author_meant
from node.services.places import place_meant
from node.services.publish_life import Registrar, Submission, submit
from node.wiring import Node
from registry import genome, lineage, seed
from registry.content import Content
from registry.formats import Format, InvalidFile, Place, detect, is_pickle, read
from registry.formats.reading import PICKLED
from registry.genome import Genome
from registry.head import Words
from registry.lineage import Legend, Lineage, parse_lineage_id
from registry.published import tags_split
from registry.seed import Seed
from storage.list_pages import Sort
from storage.namespaces import COMMONS_NAME

OPENED: Final[tuple[Opening, ...]] = ("compat", "anonymous")
SORTS: Final[Mapping[str, Sort]] = {
    "fitness": "score", "pop": "score", "level": "score", "tick": "tick", "downloads": "downloads",
    "recent": "recent", "rating": "rating", "name": "name",
}  # fmt: skip

Query: TypeAlias = GenomesQuery | SeedsQuery | LineagesQuery
B = TypeVar("B")


async def hall_of_fame(node: Node, call: Call[HallQuery, None]) -> msgspec.Raw:
    """The ten lineages of the highest civilisation level, each once.

    Of a stranger two at most, and none that one's own authors, or those one follows, tell of.
    """
    place = await place_meant(node.store, call.query.namespace)
    only_followed = call.query.trust == "followed"
    rows = await famous_lineages(node.store, place, only_followed=only_followed)
    return _list("hall_of_fame", show_page(LINEAGE, rows))


async def list_genomes(node: Node, call: Call[GenomesQuery, None]) -> msgspec.Raw:
    """Genomes, a page at a time; those of the highest fitness first."""
    query = call.query
    if query.sort is not msgspec.UNSET:
        query = msgspec.structs.replace(query, sort_by=query.sort, sort=msgspec.UNSET)
    if query.sort_by == "attested":
        return await _attested(node, query)
    return await _page(node, GENOME, query)


async def list_seeds(node: Node, call: Call[SeedsQuery, None]) -> msgspec.Raw:
    """Seeds, a page at a time; those of the largest population first."""
    return await _page(node, SEED, call.query)


async def list_lineages(node: Node, call: Call[LineagesQuery, None]) -> msgspec.Raw:
    """Lineages, a page at a time; those of the highest civilisation level first."""
    return await _page(node, LINEAGE, call.query)


async def submit_genome(node: Node, call: Call[NoQuery, NewGenome]) -> SubmissionDone:
    """Publish a genome, by its original bytes: `genotype`, or `content` for what is no text.

    The same bytes again are the same record: what it says of them is brought up to date.
    """
    body = call.body
    content = await _content(node, call, body, {"genotype": body.genotype})
    facts = genome.Facts(
        by=body.author,
        fitness_score=body.fitness_score,
        offspring_count=body.offspring_count,
        tick=body.tick,
        lineage=body.lineage_id,
        parents=None if body.parents is None else tuple(map(bytes.fromhex, body.parents)),
    )
    edit = genome.publish_genome(
        content.kept, _words(body), facts, now_us=node.clock_us(), anonymous=call.is_anonymous
    )
    given = Submission(GENOME, content.kept.id, edit, content.data, _is_only_new(call))
    return await _submit(node, body, given, content.kept.format)


async def submit_seed(node: Node, call: Call[NoQuery, NewSeed]) -> SubmissionDone:
    """Publish a seed, by its original bytes: `config`, or `content` for what is no text."""
    body = call.body
    texts = {"config": body.config, "config_json": body.config_json}
    content = await _content(node, call, body, texts)
    facts = seed.Facts(
        by=body.author,
        avg_tick_time=body.avg_tick_time,
        max_pop=body.max_pop,
        performance_summary=body.performance_summary,
    )
    edit = seed.publish_seed(
        content.kept, _words(body), facts, now_us=node.clock_us(), anonymous=call.is_anonymous
    )
    given = Submission(SEED, content.kept.id, edit, content.data, _is_only_new(call))
    return await _submit(node, body, given, content.kept.format)


async def submit_lineage(node: Node, call: Call[NoQuery, NewLineage]) -> SubmissionDone:
    """Publish a lineage, or say how far it has come."""
    body = call.body
    facts = lineage.Facts(
        by=body.author,
        civilization_level=body.civilization_level,
        is_extinct=body.is_extinct,
        start_tick=body.start_tick,
        best_genotype=None if body.best_genotype is None else bytes.fromhex(body.best_genotype),
        parent=body.parent,
        legends=None if body.legends is None else tuple(map(_legend, body.legends)),
    )
    id = parse_lineage_id(body.id)
    edit = lineage.publish_lineage(_words(body), facts, now_us=node.clock_us())
    return await _submit(node, body, Submission(LINEAGE, id, edit, only_new=body.only_new), None)


async def get_genome(node: Node, call: Call[InNamespace, None]) -> Response:
    """One genome. Of a bare id one's own record first; `also_by` names the others."""
    found = await find_called(node, GENOME, call)
    shown = await node.attested.with_summary(found.row, await show_record(node.store, found))
    return answer_json(call.request, shown)


async def get_seed(node: Node, call: Call[InNamespace, None]) -> Response:
    """One seed. Of a bare id one's own record first; `also_by` names the others."""
    return await _one(node, await find_called(node, SEED, call), call.request)


async def get_lineage(node: Node, call: Call[InNamespace, None]) -> Response:
    """One lineage. Of a bare id one's own record first; `also_by` names the others."""
    return await _one(node, await find_called(node, LINEAGE, call), call.request)


async def download_genome(node: Node, call: Call[InNamespace, None]) -> Response:
    """The original bytes of a genome; fetched from peers where they are not here."""
    return await _download(node, await find_called(node, GENOME, call), call.request)


async def download_seed(node: Node, call: Call[InNamespace, None]) -> Response:
    """The original bytes of a seed; fetched from peers where they are not here."""
    return await _download(node, await find_called(node, SEED, call), call.request)


class _Bytes(msgspec.Struct, frozen=True):
    data: bytes
    kept: Content


async def _content(
    node: Node, call: Call[NoQuery, B], body: SubmittingBytes, texts: Mapping[str, str | None]
) -> _Bytes:
    """What is published, as bytes, and what is kept of them."""
    given = {name: text for name, text in texts.items() if text}
    if len(set(given.values())) + bool(body.content) != 1:
        names = " or ".join((*texts, "content"))
        detail = f"one of {names} holds the bytes to publish; {'two do' if given else 'none does'}"
        raise Rejected(
            detail, code="invalid-body", faults=(Fault(f"/{next(iter(texts))}", detail),)
        )
    data, file = body.content or next(iter(given.values())).encode(), body.file or ""
    if call.has_no_token and body.namespace != COMMONS_NAME:  # unread: which there are is private
        raise NotAllowed("without a token things are published in commons alone")
    if call.is_anonymous:
        node.strangers.take(len(data), now_s=node.clock_s())
    return await asyncio.to_thread(_read, data, body.format, file)


def _read(data: bytes, word: str | None, file: str) -> _Bytes:
    """A format that is said and known here is one that the bytes are in. Raises `InvalidFile`."""
    if is_pickle(file, data):
        raise InvalidFile(file, Place(), PICKLED)
    if not word:
        guess = Content.of(data, format=detect(file, data), file=file, is_guess=True)
        return _Bytes(data, guess)
    if word in set(Format):
        read(Format(word), data, file)
    return _Bytes(data, Content.of(data, format=word, file=file))


def _words(body: Submitting) -> Words:
    tags = body.tags
    if tags is not None:
        tags = tags_split(tags) if isinstance(tags, str) else tuple(dict.fromkeys(tags))
    return Words(body.name, body.description, body.license, body.card, tags)


def _legend(one: NewLegend) -> Legend:
    return Legend(one.tick, one.reason, one.genome)


def _is_only_new(call: Call[NoQuery, NewGenome] | Call[NoQuery, NewSeed]) -> bool:
    """A stranger changes nothing of what stands there."""
    return call.body.only_new or call.is_anonymous


async def _submit(
    node: Node, body: Submitting, given: Submission, format: str | None
) -> SubmissionDone:
    place = await place_meant(node.store, body.namespace)
    by = Registrar(node.store, node.identity, node.clock_us, place)
    done = await submit(by, given, dry_run=body.dry_run)
    return SubmissionDone(
        success=True,
        id=done.id,
        kind=done.kind.word,
        record=f"{done.author}/{done.id}",
        state=done.state,
        format=format,
        entry=done.entry.hex() if done.entry else None,
        dry_run=body.dry_run,
        also_by=done.also_by,
    )


async def _page(node: Node, kind: Kind, query: Query) -> msgspec.Raw:
    rows, more = await page_of(node, kind.word, query, SORTS[query.sort_by], with_content=True)
    shown = await asyncio.to_thread(show_page, kind, rows)
    return _list(f"{kind.word}s", shown, b',"next":' + msgspec.json.encode(more))


async def _attested(node: Node, query: GenomesQuery) -> msgspec.Raw:
    author = None if query.author is None else await author_meant(node.store, query.author)
    namespace = await place_meant(node.store, query.namespace)
    where = f"attested {author} {sorted(query.tag)} {namespace.hex()}"
    order = node.attested
    rows, last = await order.page(
        namespace,
        author=author,
        tags=query.tag,
        limit=query.limit,
        after=node.cursors.open(where, query.cursor),
    )
    shown = await asyncio.to_thread(show_page, GENOME, rows)
    pieces = [await order.with_summary(row, one) for row, one in zip(rows, shown, strict=True)]
    more = msgspec.json.encode(node.cursors.seal(where, last))
    return _list("genomes", tuple(pieces), b',"next":' + more)


def _list(name: str, rows: tuple[bytes, ...], more: bytes = b"") -> msgspec.Raw:
    """Joined at once: a page may have many MB, and each step more would copy all of them."""
    pieces = [b'{"', name.encode(), b'":[', *chain.from_iterable((one, b",") for one in rows)]
    if rows:
        pieces.pop()
    return msgspec.Raw(b"".join((*pieces, b"]", more, b"}")))


async def _one(node: Node, found: Found, request: Request) -> Response:
    return answer_json(request, await show_record(node.store, found))


async def _download(node: Node, found: Found, request: Request) -> Response:
    tag = f'"{found.row.listing.record}"'
    name, media = file_of(found.row)
    is_public = found.row.namespace == COMMONS and not request.state.has_token
    headers = {
        "etag": tag,
        "cache-control": FOREVER if is_public else "private, no-cache",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    data = await content_of(node.store, node.network, found, seats=node.seats)
    # A page of somebody else's can have a browser read this, but not with a token.
    if node.config.registry.count_downloads and request.state.has_token:
        await count_download(node.signers, found)
    return Response(data, 200, headers, media)


START: Final = "/api/registry"
A_GENOME: Final = f"{START}/genomes/{{genome:record}}"
A_SEED: Final = f"{START}/seeds/{{seed:record}}"
A_LINEAGE: Final = f"{START}/lineages/{{lineage:rest}}"
ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    reads(
        f"{START}/hall_of_fame", hall_of_fame, HallOfFame, query=HallQuery, is_remembered=True,
        clean_query=cleaned_list,
    ),
    reads(
        f"{START}/genomes", list_genomes, Genomes, query=GenomesQuery, problems=(404, 422),
        is_remembered=True, clean_query=cleaned_list,
    ),
    writes(
        f"{START}/genomes", submit_genome, SubmissionDone, body=NewGenome,
        body_bytes_max=PUBLISH_BYTES_MAX, problems=(404, 429), opened_by=OPENED,
        clean=cleaned_genome,
    ),
    reads(
        f"{START}/seeds", list_seeds, Seeds, query=SeedsQuery, problems=(404, 422),
        is_remembered=True, clean_query=cleaned_list,
    ),
    writes(
        f"{START}/seeds", submit_seed, SubmissionDone, body=NewSeed,
        body_bytes_max=PUBLISH_BYTES_MAX, problems=(404, 429), opened_by=OPENED,
        clean=cleaned_seed,
    ),
    reads(
        f"{START}/lineages", list_lineages, Lineages, query=LineagesQuery, problems=(404, 422),
        is_remembered=True,
    ),
    writes(f"{START}/lineages", submit_lineage, SubmissionDone, body=NewLineage, problems=(404,)),
    reads(
        f"{A_GENOME}/download", download_genome, "application/octet-stream", query=InNamespace,
        problems=(409, 422, 504),
    ),
    reads(
        f"{A_SEED}/download", download_seed, "application/octet-stream", query=InNamespace,
        problems=(409, 422, 504),
    ),
    reads(A_GENOME, get_genome, Genome, query=InNamespace, problems=(409, 422)),
    reads(A_SEED, get_seed, Seed, query=InNamespace, problems=(409, 422)),
    reads(A_LINEAGE, get_lineage, Lineage, query=InNamespace, problems=(422,)),
)  # fmt: skip
