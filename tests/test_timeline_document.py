"""`docs/protocol/timeline.md` is what the code does. How it is read: `tests/documents.py`."""

from crdt import cbor
from tests.documents import FOLDER, integers, number, rows, value_of, words
from tests.universe.test_event import BIRTH
from universe.event import EVENT_TYPES, SYNONYMS, encode_event
from universe.retention import Rule

TIMELINE = (FOLDER / "timeline.md").read_text()
LIMITED = (
    "universe.event", "universe.timeline", "universe.retention", "universe.forks",
    "universe.lineages", "universe.lives", "universe.who", "node.services.crossings",
    "node.services.histories", "node.api.routes.souls",
)  # fmt: skip


def test_limits_quoted_are_the_constants_and_all_of_them() -> None:
    table = {
        words(row["in the code"])[0]: number(row["at most"])
        for row in rows(TIMELINE, "at most", "in the code")
    }
    assert {name: value_of(name) for name in table} == table
    limits = {name for module in LIMITED for name in integers(module) if name.endswith("_MAX")}
    assert limits == set(table)


def test_every_field_of_an_event_is_described() -> None:
    described = {words(row["in an event"])[0] for row in rows(TIMELINE, "in an event", "type")}
    assert set(cbor.decode(encode_event(BIRTH), bytes_max=8192)) == described


def test_the_types_have_their_words_and_synonyms() -> None:
    table = rows(TIMELINE, "event type", "shown as", "also")
    assert {words(row["event type"])[0]: row["shown as"] for row in table} == EVENT_TYPES
    also = {word: words(row["event type"])[0] for row in table for word in words(row["also"])}
    assert also == SYNONYMS


def test_every_field_of_a_rule_is_described() -> None:
    table = rows(TIMELINE, "of `auto` or `manual`", "type")
    described = {words(row["of `auto` or `manual`"])[0] for row in table}
    assert described == set(Rule.__struct_fields__)
