"""`docs/protocol/life.md` is what the code does. How it is read: `tests/documents.py`."""

import importlib

from registry.listings import KINDS
from tests.documents import FOLDER, integers, number, rows, words
from tests.registry.life import arena, dynasty, walker

LIFE = (FOLDER / "life.md").read_text()
LIMITED = (
    "registry.content",
    "registry.life",
    "registry.genome",
    "registry.seed",
    "registry.lineage",
)


def test_limits_quoted_are_the_constants_and_all_of_them() -> None:
    table = {
        words(row["in the code"])[0]: number(row["at most"])
        for row in rows(LIFE, "at most", "in the code")
    }
    for name, most in table.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == most, name
    limits = {name for module in LIMITED for name in integers(module) if name.endswith("_MAX")}
    assert limits == set(table)


def test_the_kinds_have_their_words() -> None:
    table = {words(row["kind"])[0]: row["word"] for row in rows(LIFE, "kind", "word", "record")}
    assert table.items() <= KINDS.items()
    assert set(KINDS) - set(table) == {"mod", "adv", "chal"}  # described elsewhere


def test_every_field_that_is_written_is_described() -> None:
    both = {words(row["of both"])[0] for row in rows(LIFE, "of both", "type")}
    everywhere = {words(row["everywhere"])[0] for row in rows(LIFE, "everywhere", "type")}
    for name, record in (("genome", walker()), ("seed", arena()), ("lineage", dynasty())):
        column = f"in a {name}"
        own = {words(row[column])[0] for row in rows(LIFE, column, "type")}
        described = everywhere | own | both if name != "lineage" else everywhere | own
        written = {
            f"{root}/{'<tag>' if root == 'tags' else key}"
            for root, fields in record.value.items()
            for key in fields
        }
        assert written == described, name
