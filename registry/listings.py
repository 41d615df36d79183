"""What lists and search show of each kind of document: the projector handed to storage."""

from collections.abc import Mapping
from typing import Any

import msgspec

from crdt.change import DocumentId
from registry import advisory, attestation, challenge, genome, lineage, module, ratings, seed
from registry.deletion import is_deleted
from registry.listed import Module
from storage.listing import Listing, Projection

WORD = "module"
KINDS = {
    module.KIND: WORD,
    genome.KIND: genome.WORD,
    seed.KIND: seed.WORD,
    lineage.KIND: lineage.WORD,
    advisory.KIND: advisory.WORD,
    challenge.KIND: challenge.WORD,
}
"""The word people use for each kind of document."""


def project(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """The row of one document; None for kinds that are not listed, and for what was deleted.

    Raises `MalformedRecord` where the document is not what its kind promises.
    """
    if is_deleted(value):
        return None
    match document.cls, document.kind:
        case module.CLASS, module.KIND:
            return _module(document, value)
        case advisory.CLASS, advisory.KIND:
            return _advisory(document, value)
        case challenge.CLASS, challenge.KIND:
            return challenge.challenge_listing(document, value)
        case genome.CLASS, genome.KIND:
            return genome.genome_listing(document, value)
        case seed.CLASS, seed.KIND:
            return seed.seed_listing(document, value)
        case lineage.CLASS, lineage.KIND:
            return lineage.lineage_listing(document, value)
        case ratings.CLASS, kind if kind in ratings.KINDS:
            return ratings.rating_of(document, value)
        case attestation.CLASS, attestation.KIND:
            return attestation.row_of(document, value)
        case _:
            return None


def _module(document: DocumentId, value: Mapping[str, Any]) -> Listing:
    listed = module.module_of(document, value)
    created_us, updated_us = module.created_and_updated_us(listed, value)
    return Listing(
        kind=WORD,
        author=listed.author_did,
        record=listed.id,
        name=listed.name,
        description=listed.description,
        tags=listed.tags,
        text=_words(listed),
        created_us=created_us,
        updated_us=updated_us,
        fields=msgspec.json.encode(listed),
        blobs=module.blobs_of(listed, value),
    )


def _advisory(document: DocumentId, value: Mapping[str, Any]) -> Listing:
    said = advisory.advisory_of(document, value)
    created_us, updated_us = advisory.created_and_updated_us(value)
    return Listing(
        kind=advisory.WORD,
        author=said.author,
        record=said.id,
        name=said.title,
        description=f"{said.kind}: {said.module.rpartition('/')[2]} {said.range}",
        tags=(said.kind,),
        text=f"{said.module}\n{said.text}",
        created_us=created_us,
        updated_us=updated_us,
        fields=msgspec.json.encode(said),
    )


def _words(listed: Module) -> str:
    """More to find it by: the id's parts, what it exports, its readme."""
    latest = next(each for each in listed.versions if each.version == listed.latest_version)
    exports = " ".join(each.name for each in latest.capabilities)
    return "\n".join((listed.id.replace(".", " "), exports, listed.license, listed.readme))
