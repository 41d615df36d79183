from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.change import DocumentId
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey
from registry import advisory
from registry.advisory import (
    Advisory,
    Claim,
    advisory_of,
    affects,
    findings,
    publish_advisory,
    record_of,
    withdraw,
)
from registry.errors import (
    InvalidAdvisory,
    InvalidRange,
    MalformedRecord,
    RegistryError,
    UnknownAdvisory,
)
from registry.listings import project
from registry.names import ModuleName
from registry.versions import parse_version
from storage.listing import Listing
from tests.registry.people import ALICE, ALICE_DID, BOB, BOB_DID, DICE, NOON_US, Record
from tests.registry.test_module import plain

LOADED = Claim(
    module=DICE,
    range="<1.2.3",
    kind="vulnerable",
    title="A six comes too often",
    text="The *seed* is the clock.",
    fixed="1.2.3",
).checked()


def said_by(author: SigningKey, claim: Claim = LOADED) -> Record:
    document = DocumentId(
        COMMONS, AuthorKey(author.public), advisory.CLASS, advisory.KIND, record_of(claim)
    )
    return Record(document, author)


def shown(record: Record) -> Advisory:
    return advisory_of(record.id, record.value)


@pytest.fixture
def bobs() -> Record:
    record = said_by(BOB)
    record.edit(publish_advisory(LOADED, now_us=NOON_US))
    return record


def test_bob_warns_of_alices_dice(bobs: Record) -> None:
    one = shown(bobs)
    assert (one.author, one.module, one.range, one.kind) == (
        BOB_DID,
        str(DICE),
        "<1.2.3",
        "vulnerable",
    )
    assert (one.title, one.text, one.fixed) == (LOADED.title, LOADED.text, "1.2.3")
    assert one.id == bobs.id.record.decode()
    listed = project(bobs.id, bobs.value)
    assert isinstance(listed, Listing)
    assert (listed.kind, listed.name, listed.tags) == ("advisory", LOADED.title, ("vulnerable",))


def test_it_is_said_anew_withdrawn_and_said_again(bobs: Record) -> None:
    better = Claim(module=DICE, range="<1.2.3", kind="vulnerable", title="A six at noon").checked()
    assert record_of(better) == bobs.id.record
    bobs.edit(publish_advisory(better, now_us=NOON_US + 1))
    assert (shown(bobs).title, shown(bobs).text, shown(bobs).fixed) == ("A six at noon", "", "")
    bobs.edit(withdraw("It was my own die.", now_us=NOON_US + 2))
    assert (shown(bobs).withdrawn, shown(bobs).withdrawal) == (True, "It was my own die.")
    assert not affects(shown(bobs), parse_version("1.0.0"))
    with pytest.raises(UnknownAdvisory):
        bobs.edit(withdraw("", now_us=NOON_US + 3))
    bobs.edit(publish_advisory(better, now_us=NOON_US + 4))
    assert not shown(bobs).withdrawn
    assert bobs.value["head"]["created_us"] < bobs.value["head"]["updated_us"]
    with pytest.raises(UnknownAdvisory):
        said_by(ALICE).edit(withdraw("", now_us=NOON_US))


@pytest.mark.parametrize(
    ("range", "version", "is_affected"),
    [("<1.2.3", "1.2.2", True), ("<1.2.3", "1.2.3", False), ("<1.2.3", "1.2.3-rc.1", True),
     ("<1.2.3", "1.0.0-beta", True), (">=1.2.3", "1.2.3-rc.1", False), ("^1.2", "1.9.0-a", True),
     ("^1.2", "2.0.0-a", True), ("*", "0.0.0-a", True), ("*", "5.0.0", True),
     ("1.2.3", "1.2.3-rc.1", False), ("1.0.0 || 2.0.0", "1.5.0", False)],
)  # fmt: skip
def test_a_range_of_what_is_wrong_takes_pre_releases_in_their_order(
    range: str, version: str, is_affected: bool
) -> None:
    record = said_by(BOB, claim := Claim(module=DICE, range=range, kind="malicious", title="Bad"))
    record.edit(publish_advisory(claim.checked(), now_us=NOON_US))
    assert affects(shown(record), parse_version(version)) == is_affected


def test_whose_word_counts(bobs: Record) -> None:
    alices = said_by(ALICE)
    alices.edit(publish_advisory(LOADED, now_us=NOON_US))
    both, carol = [shown(bobs), shown(alices)], "did:key:zCarol"
    versions = {str(DICE): parse_version("1.0.0")}

    def told(own: str, followed: set[str]) -> list[tuple[str, str, bool]]:
        found = findings(versions, both, own=own, followed=followed)
        return [(one.advisory.author, one.by, one.counts) for one in found]

    by_author = (ALICE_DID, "author", True)
    assert told(carol, set()) == [by_author, (BOB_DID, "other", False)]
    assert set(told(carol, {BOB_DID})) == {by_author, (BOB_DID, "followed", True)}
    assert set(told(BOB_DID, set())) == {by_author, (BOB_DID, "self", True)}
    assert not findings({str(DICE): parse_version("2.0.0")}, both, own=carol, followed=())
    (first, second) = findings(versions, both, own=carol, followed=())
    assert (first.is_alarming, second.is_alarming) == (True, False)
    assert "whom you do not follow" in str(second)


@pytest.mark.parametrize(
    ("said", "error"),
    [({"title": ""}, InvalidAdvisory), ({"title": "a\nb"}, None), ({"title": "x" * 201},
     InvalidAdvisory), ({"title": "\u202egood"}, InvalidAdvisory), ({"range": "<0"},
     InvalidAdvisory), ({"range": "latest"}, InvalidRange), ({"text": "x" * 20_000},
     InvalidAdvisory), ({"fixed": "1"}, RegistryError), ({"replacement": "org.example.dice"},
     InvalidAdvisory), ({"module": ModuleName(None, DICE.id)}, InvalidAdvisory)],
)  # fmt: skip
def test_what_cannot_be_said(said: dict[str, Any], error: type[RegistryError] | None) -> None:
    fields: dict[str, Any] = {"module": DICE, "range": "*", "kind": "malicious", "title": "Bad"}
    claim = Claim(**fields | said)
    if error is None:
        assert claim.checked().title == "a b"
        return
    with pytest.raises(error):
        claim.checked()


def test_under_another_record_it_says_nothing(bobs: Record) -> None:
    other = DocumentId(COMMONS, bobs.id.subspace, "pub", "adv", b"adv-0123456789abcdef")
    with pytest.raises(MalformedRecord, match="not the name of what it says"):
        advisory_of(other, bobs.value)


@given(st.dictionaries(st.sampled_from(["head", "advisory", "x"]), plain))
def test_any_value_is_an_advisory_or_our_error(value: dict[str, Any]) -> None:
    document = said_by(BOB).id
    with pytest.raises(MalformedRecord):
        advisory_of(document, value)
