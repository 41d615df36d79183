"""What genomes, seeds and lineages share: how they are said, and what is read of each alike."""

from collections.abc import Mapping
from typing import Final, TypedDict

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, Scalar
from registry.content import Content, put_content
from registry.edits import Edit
from registry.errors import MalformedRecord, Problem
from registry.fields import Plain, is_set, line_at, map_at
from registry.head import Head, Words, check_words, head_of, line_problem, put_all, put_head, touch
from registry.listed import rfc3339
from registry.published import ANONYMOUS, Published, tags_joined, words_of
from storage.listing import Listing, NamedBlob

BY_CHARACTERS_MAX: Final = 128
COUNT_MAX: Final = (1 << 32) - 1
"""What the Galactic Federation's clients read."""
TICK_MAX: Final = (1 << 63) - 1
"""What a list can sort by."""


class Said(TypedDict):
    """What the head, the tags and `by` say, as `Published` has it."""

    author: str
    author_did: str
    name: str
    description: str
    tags: str
    tag_list: tuple[str, ...]
    license: str
    card: str
    created_at: str
    updated_at: str
    anonymous: bool


class Kept(TypedDict):
    """What a genome and a seed say of their bytes."""

    format: str
    file: str
    size: int
    blob: str


def publish(
    words: Words, values: Mapping[str, Scalar], content: Content | None = None, *, now_us: int
) -> Edit:
    """Let the document say this; nothing changes where it is said already.

    `values` of the body: None leaves what is there. `now_us`: µs since 1970.
    Raises `InvalidRecord`.
    """
    check_words(words)

    def edit(editor: Editor) -> None:
        is_changed = put_head(editor, words, now_us=now_us)
        if content is not None:
            is_changed = put_content(editor, content) or is_changed
        if put_all(editor, "body", values) or is_changed:
            touch(editor, now_us)

    return edit


def author_problems(by: str | None) -> list[Problem]:
    problem = line_problem(by or "", BY_CHARACTERS_MAX)
    return [Problem("/author", problem)] if problem else []


def count_problems(key: str, count: int | None, most: int) -> list[Problem]:
    if 0 <= (count or 0) <= most:
        return []
    return [Problem(f"/{key}", f"is {count}, not 0 to {most}")]


def check_kind(document: DocumentId, cls: str, kind: str, word: str) -> None:
    """Raises `MalformedRecord` for a document of another kind."""
    if (document.cls, document.kind) != (cls, kind):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not of a {word}")


def said_of(document: DocumentId, value: Plain, unnamed: str) -> tuple[Said, Head, Plain]:
    """What every kind says, its head, and its body. Raises `MalformedRecord`.

    `unnamed`: what it is called that has no name.
    """
    head, body = head_of(value), map_at(value, "body")
    said = Said(
        author=line_at(body, "by", BY_CHARACTERS_MAX) or ANONYMOUS,
        author_did=encode_did_key(document.subspace),
        name=head.name or unnamed,
        description=head.description,
        tags=tags_joined(head.tags),
        tag_list=head.tags,
        license=head.license,
        card=head.card,
        created_at=rfc3339(head.created_us),
        updated_at=rfc3339(head.updated_us),
        anonymous=is_set(body, "anonymous"),
    )
    return said, head, body


def kept_of(content: Content) -> Kept:
    return Kept(
        format=content.format, file=content.file, size=content.size, blob=content.blob.hex()
    )


def _named(content: Content, head: Head) -> NamedBlob:
    return NamedBlob(content.blob.hex(), content.size, head.created_us)


def listing_of(
    word: str,
    one: Published,
    head: Head,
    more: tuple[str, ...],
    *,
    score: float,
    tick: int = 0,
    content: Content | None = None,
) -> Listing:
    """Its row in lists and search. `more`: what it is found by besides."""
    return Listing(
        kind=word,
        author=one.author_did,
        record=one.id,
        name=one.name,
        description=one.description,
        tags=one.tag_list,
        text=words_of(head, *more),
        created_us=head.created_us,
        updated_us=head.updated_us,
        fields=msgspec.json.encode(one),
        blobs=() if content is None else (_named(content, head),),
        content="" if content is None else content.text,
        score=score,
        tick=tick,
    )
