"""`attestations.md` says what the code does: its bytes, its fields, its bounds, its endings."""

import importlib
import re

from registry import attestation, challenge, evaluation, findings
from registry.evaluation import ENDINGS, encode_evaluation
from registry.wasm.evaluator import EXPORTS
from storage import attestations, challenges
from tests.documents import FOLDER, blocks, number, rows, words
from tests.registry.attested import QUESTION

TEXT = (FOLDER / "attestations.md").read_text()
BOUNDED = (evaluation, findings, attestation, challenge, attestations, challenges)
OWN = {"storage.attestations.CANDIDATES_MAX"}  # nobody else can tell


def value_of(name: str) -> object:
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(module), constant)


def test_the_example_is_what_the_code_writes() -> None:
    assert blocks(TEXT) == {"evaluation": encode_evaluation(QUESTION)}
    assert f"`{QUESTION.id.hex()}`" in TEXT


def test_limits_quoted_are_the_constants_and_none_is_missing() -> None:
    quoted = {
        name: number(row["at most"])
        for row in rows(TEXT, "at most", "in the code")
        for name in words(row["in the code"])
    }
    assert quoted == {name: value_of(name) for name in quoted}
    known = {
        f"{module.__name__}.{name}"
        for module in BOUNDED
        for name, value in vars(module).items()
        if name.endswith("_MAX") and isinstance(value, int)
    }
    imported = {"TIME_US_MAX", "INTEGER_MAX"}
    elsewhere = {name for name in known if name.rpartition(".")[2] in imported}
    assert known - elsewhere - OWN <= quoted.keys()


def test_every_ending_export_and_field_is_there() -> None:
    (table,) = re.findall(r"\| `ending` \| text \| (.*?) \|", TEXT)
    assert tuple(words(table)) == ENDINGS
    described = {row["export"].strip("`"): row["type"].strip("`") for row in rows(TEXT, "export")}
    assert {name: str(type) for name, type in EXPORTS.items()} == {
        name: type for name, type in described.items() if type
    }
