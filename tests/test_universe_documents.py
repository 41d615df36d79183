"""`docs/protocol/universes.md` is what the code does. How it is read: `tests/documents.py`."""

import importlib
import re
from typing import Any

from blake3 import blake3

from crdt import cbor
from tests.documents import FOLDER, blocks, integers, number, rows, slug, words
from tests.universe.worlds import FULL
from universe.snapshot import STATEMENT_BYTES_MAX, encode_snapshot

TEXT = (FOLDER / "universes.md").read_text()
LIMITED = (
    "universe.names",
    "universe.snapshot",
    "universe.record",
    "universe.parts",
    "universe.room",
)


def test_the_example_is_what_the_code_writes() -> None:
    statement = encode_snapshot(FULL)
    assert blocks(TEXT) == {"snapshot": statement}
    assert f"`{blake3(statement).hexdigest()}`" in TEXT


def test_every_field_of_a_statement_is_described() -> None:
    fields: Any = cbor.decode(encode_snapshot(FULL), bytes_max=STATEMENT_BYTES_MAX)
    described = {words(row["of a statement"])[0] for row in rows(TEXT, "of a statement")}
    assert set(fields) == described


def test_limits_quoted_are_the_constants_and_all_of_them() -> None:
    table = {
        words(row["in the code"])[0]: number(row["at most"])
        for row in rows(TEXT, "at most", "in the code")
    }
    for name, most in table.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == most, name
    limits = {name for module in LIMITED for name in integers(module) if name.endswith("_MAX")}
    computed = {"universe.snapshot.SIGNED_BYTES_MAX", "universe.parts.ORIGIN_BYTES_MAX"}
    assert limits <= set(table) | computed
    assert set(table) <= limits | computed


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+\.md)?(?:#([^)]+))?\)", TEXT):
        file, anchor = link
        text = (FOLDER / file).read_text() if file else TEXT
        headings = {slug(one) for one in re.findall(r"^#+ (.*)", text, re.MULTILINE)}
        assert not anchor or anchor in headings, link
