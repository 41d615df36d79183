"""Modules: listing, publishing, their bytes, their checks, and what people say of them."""

import asyncio
from typing import TypeVar

import msgspec
from starlette.responses import Response

from crdt.blob import BlobId
from crdt.keys import NamespaceKey
from node.api.asked import page_of
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import (
    ChangesItem,
    ChangesQuery,
    Curated,
    Curation,
    InNamespace,
    Modules,
    ModulesQuery,
    NewModule,
    NewRating,
    NoQuery,
    OneVersion,
    Published,
    RatingItem,
    Ratings,
    VerdictSummary,
    Verification,
)
from node.api.requests import PUBLISH_BYTES_MAX, is_known
from node.api.routes.blobs import FOREVER
from node.services.curate import (
    Curator,
    Mark,
    rate_module,
    set_deprecated,
    set_yanked,
    take_back_module_rating,
)
from node.services.fetch import fetch_blob
from node.services.modules import LISTED, find_module, find_row, show_modules, version_of
from node.services.places import place_meant, place_text
from node.services.publish import Publisher, Submission, publish
from node.services.verify import verify_version
from node.wiring import Node
from registry.changes import changes
from registry.listed import Module, ModuleVersion, rfc3339
from storage.listings import ListedRow

B = TypeVar("B")
Q = TypeVar("Q", bound=InNamespace)
PATH = "/api/modules/{id:module}"
VERSION = PATH + "/versions/{version}"


async def list_modules(node: Node, call: Call[ModulesQuery, None]) -> Modules:
    """Modules, a page at a time."""
    query = call.query
    rows, more = await page_of(node, LISTED, query, query.sort_by)
    return Modules(await asyncio.to_thread(show_modules, rows), more)


async def publish_module(node: Node, call: Call[NoQuery, NewModule]) -> Published:
    """Publish a version: manifest, validation, dependencies, signature. All of it, or nothing.

    `dry_run` does every check and stores nothing.
    """
    body = call.body
    publisher = Publisher(
        node.store,
        node.workers,
        node.identity,
        node.config.modules.wasm_bytes_max,
        node.clock_us,
        await place_meant(node.store, body.namespace),
        body.record,
    )
    given = Submission(body.manifest, body.wasm, body.readme, body.changelog)
    done = await publish(publisher, given, dry_run=body.dry_run)
    verdict = done.verdict
    return Published(
        module=str(done.module),
        namespace=place_text(publisher.namespace),
        version=done.version,
        blob=done.artifact.blob.hex(),
        sha256=done.artifact.sha256.hex(),
        size=done.artifact.size,
        verdict=VerdictSummary(verdict.checker, verdict.features, verdict.ok),
        dependencies={name: need.range for name, need in done.needs.items()},
        entry=done.entry.hex() if done.entry else None,
        dry_run=body.dry_run,
        warnings=done.warnings,
    )


async def get_module(node: Node, call: Call[InNamespace, None]) -> Module:
    """One module with all its versions. A bare id works where only one author has it."""
    return await find_module(node.store, call.path["id"], await _place(node, call))


async def get_version(node: Node, call: Call[InNamespace, None]) -> OneVersion:
    """One version of a module."""
    module, version = await _version(node, call)
    return OneVersion(module=module.full_name, **msgspec.structs.asdict(version))


async def get_changes(node: Node, call: Call[ChangesQuery, None]) -> ChangesItem:
    """What changes with a version: imports, exports, dependencies; since the one before it."""
    module, version = await _version(node, call)
    found = changes(_since(module, version, call.query.since), version)
    return ChangesItem(**msgspec.structs.asdict(found), words=found.lines())


def _since(module: Module, version: ModuleVersion, since: str | None) -> ModuleVersion:
    """The one named, else the version before; itself where there is none."""
    if since is not None:
        return version_of(module, since)
    at = module.versions.index(version)
    return module.versions[max(at - 1, 0)]


async def get_wasm(node: Node, call: Call[InNamespace, None]) -> Response:
    """The bytes of a version; fetched from peers where they are not here."""
    _, version = await _version(node, call)
    tag = f'"{version.blob}"'
    headers = {"etag": tag, "cache-control": FOREVER, "x-checksum-sha256": version.wasm_hash}
    if is_known(call.request, tag):
        return Response(status_code=304, headers=headers)
    blob = BlobId(bytes.fromhex(version.blob))
    wasm = await fetch_blob(node.store, node.network, blob, size_bytes_max=version.wasm_size)
    return Response(wasm, 200, headers, "application/wasm")


async def verify(node: Node, call: Call[InNamespace, None]) -> Verification:
    """Hashes, signature and device of a version, each check with its result."""
    module, version = await _version(node, call)
    checks = await verify_version(node.store, node.network, module, version)
    ok = all(check.ok for check in checks)
    return Verification(module.full_name, version.version, ok, checks)


async def yank_version(node: Node, call: Call[InNamespace, Curation]) -> Curated:
    """Withdraw a version of one's own from new installations, or take that back.

    `dry_run` does every check and says what would be.
    """
    name, version = call.path["id"], call.path["version"]
    by = await _curator(node, call)
    return _curated(await set_yanked(by, name, version, _mark(call.body)), call.body)


async def deprecate_version(node: Node, call: Call[InNamespace, Curation]) -> Curated:
    """Warn people of a version of one's own, or take that back.

    `dry_run` does every check and says what would be.
    """
    name, version = call.path["id"], call.path["version"]
    by = await _curator(node, call)
    return _curated(await set_deprecated(by, name, version, _mark(call.body)), call.body)


async def list_ratings(node: Node, call: Call[InNamespace, None]) -> Ratings:
    """What authors say of a module, the latest first."""
    return await _ratings(
        node, await find_row(node.store, call.path["id"], await _place(node, call))
    )


async def rate(node: Node, call: Call[InNamespace, NewRating]) -> Ratings:
    """Rate a module as this node's author; a second rating replaces the first."""
    by, body = await _curator(node, call), call.body
    row = await rate_module(by, call.path["id"], body.stars, body.review, now_us=node.clock_us())
    return await _ratings(node, row)


async def unrate(node: Node, call: Call[InNamespace, None]) -> Response:
    """Take this author's rating back."""
    by = await _curator(node, call)
    await take_back_module_rating(by, call.path["id"], now_us=node.clock_us())
    return Response(status_code=204)


async def _place(node: Node, call: Call[Q, B]) -> NamespaceKey:
    return await place_meant(node.store, call.query.namespace)


async def _curator(node: Node, call: Call[InNamespace, B]) -> Curator:
    return Curator(node.signers, await _place(node, call))


async def _version(node: Node, call: Call[Q, None]) -> tuple[Module, ModuleVersion]:
    module = await find_module(node.store, call.path["id"], await _place(node, call))
    return module, version_of(module, call.path["version"])


def _mark(said: Curation) -> Mark:
    return Mark(said.reason, said.undo, said.dry_run)


def _curated(became: tuple[str, ModuleVersion], said: Curation) -> Curated:
    module, one = became
    reason = one.yank_reason or one.deprecation
    return Curated(module, one.version, one.yanked, one.deprecated, reason, said.dry_run)


async def _ratings(node: Node, row: ListedRow) -> Ratings:
    items = tuple(
        RatingItem(one.author, one.stars, one.review, rfc3339(one.updated_us))
        for one in await node.store.ratings(row.listing.target, LISTED, namespace=row.namespace)
        if one.stars is not None
    )
    return Ratings(row.rating, row.stars_count, items)


ENDPOINTS = (
    reads(
        "/api/modules", list_modules, Modules, query=ModulesQuery, problems=(404, 422),
        is_remembered=True,
    ),
    writes(
        "/api/modules", publish_module, Published, body=NewModule, status=201,
        body_bytes_max=PUBLISH_BYTES_MAX, problems=(404,),
    ),
    reads(PATH, get_module, Module, query=InNamespace, problems=(409, 422)),
    reads(VERSION, get_version, OneVersion, query=InNamespace, problems=(409, 422)),
    reads(
        f"{VERSION}/wasm", get_wasm, "application/wasm", query=InNamespace,
        problems=(409, 422, 504),
    ),
    reads(f"{VERSION}/changes", get_changes, ChangesItem, query=ChangesQuery, problems=(409, 422)),
    reads(f"{VERSION}/verify", verify, Verification, query=InNamespace, problems=(409, 422)),
    writes(f"{VERSION}/yank", yank_version, Curated, body=Curation, query=InNamespace),
    writes(f"{VERSION}/deprecate", deprecate_version, Curated, body=Curation, query=InNamespace),
    reads(f"{PATH}/ratings", list_ratings, Ratings, query=InNamespace, problems=(409, 422)),
    writes(f"{PATH}/ratings", rate, Ratings, body=NewRating, query=InNamespace, status=201),
    deletes(f"{PATH}/ratings", unrate, query=InNamespace),
)  # fmt: skip
