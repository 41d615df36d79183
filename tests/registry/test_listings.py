import msgspec
import pytest

from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry.errors import MalformedRecord
from registry.listed import Module
from registry.listings import project
from registry.ratings import rate, record_of
from storage.listing import Listing, RatingRow
from tests.registry.people import (
    ALICE,
    ALICE_DID,
    BOB_PHONE,
    DAY_US,
    DICE,
    NOON_US,
    Record,
    dice_document,
    rating_document,
)


def test_a_module_is_listed_with_the_words_it_is_found_by() -> None:
    record = Record(dice_document())
    record.publish("1.0.0")
    record.publish("1.1.0", now_us=NOON_US + DAY_US)
    row = project(record.id, record.value)
    assert isinstance(row, Listing)
    assert (row.kind, row.author, row.record) == ("module", ALICE_DID, DICE.id)
    assert row.target == str(DICE)
    assert (row.created_us, row.updated_us) == (NOON_US, NOON_US + DAY_US)
    assert msgspec.json.decode(row.fields, type=Module) == record.module
    (blob,) = row.blobs  # both versions have the same file
    last = record.module.versions[-1]
    assert (blob.id, blob.size, blob.at_us) == (last.blob, last.wasm_size, NOON_US + DAY_US)
    for word in ("dice", "example", "throw", "six faces"):
        assert word in row.text


def test_a_rating_is_a_row() -> None:
    record = Record(rating_document(record_of(DICE)), BOB_PHONE)
    record.edit(rate(5, "", now_us=NOON_US))
    assert isinstance(project(record.id, record.value), RatingRow)


def test_other_kinds_are_not_listed_here() -> None:
    document = DocumentId(COMMONS, AuthorKey(ALICE.public), "pub", "unheard-of", b"a.b")
    assert project(document, {}) is None


def test_a_malformed_module_is_told_to_whoever_asks() -> None:
    with pytest.raises(MalformedRecord):
        project(dice_document(), {"head": {}, "tags": {}, "versions": {}})
