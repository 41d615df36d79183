"""What `player show` prints of what others sign: who, what, and the command that shows it."""

from typing import Any

import pytest

from node.commands.petnames import Petnames
from node.commands.player import moment_text, reputation_lines
from node.failure import Json

BOB = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
DICE = f"{BOB}/org.example.dice"
CALLED = Petnames({"bob": BOB})


def fact(**said: Any) -> Json:  # noqa: ANN401 - of JSON
    plain: Json = {
        "by": BOB,
        "on": "module",
        "of": DICE,
        "part": "",
        "said": "",
        "stars": 0,
        "at": 9,
    }
    return {**plain, **said}


def line(kind: str, *facts: Json, **said: Any) -> Json:  # noqa: ANN401 - of JSON
    plain: Json = {"kind": kind, "signers": 1, "count": len(facts), "average": None}
    return {**plain, "facts": list(facts), **said}


def printed(**said: Any) -> list[str]:  # noqa: ANN401 - of JSON
    empty: Json = {"followed": [], "strangers": [], "proofs": [], "whole": True}
    return [told.text for told in reputation_lines({**empty, **said}, CALLED)]


def test_nobody_signed_anything() -> None:
    assert printed() == ["Nobody else signed anything of this author that is known here."]
    nothing, more = printed(whole=False)
    assert nothing == "What was looked at has nothing that anybody else signed of this author."
    assert more.startswith("More is held than was looked at")


def test_each_fact_has_its_signer_and_the_command_that_shows_it() -> None:
    rating = line("rating", fact(stars=5, said="Rolls\nwell."), average=5.0)
    title, summary, told = printed(followed=[rating])
    assert (title, summary) == ("By you and whom you follow:", "  rated 5.0 of 5: 1, by 1 author")
    assert told.strip().startswith("bob (")
    assert f"5 stars of {DICE} (Rolls" in told
    assert told.endswith(f"; panspermia info {DICE}")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("kind", "on", "of", "command"),
    [
        ("rating", "genome", f"{BOB}/{'a' * 64}", f"panspermia info {BOB}/{'a' * 64}"),
        ("rating", "lineage", f"{BOB}/line", f"panspermia info {BOB}/line --kind lineage"),
        ("same", "genome", "a" * 64, f"panspermia attest {'a' * 64} --show"),
        ("other", "genome", "a" * 64, f"panspermia attest {'a' * 64} --show"),
        ("advisory", "module", DICE, f"panspermia advisory list {DICE}"),
        ("arrived", "universe", f"{BOB}/earth", f"panspermia universe timeline {BOB}/earth"),
    ],
)
def test_where_a_fact_is_looked_at(kind: str, on: str, of: str, command: str) -> None:
    assert printed(strangers=[line(kind, fact(on=on, of=of))])[-1].endswith(f"; {command}")


def test_strangers_prove_nothing_and_a_proof_needs_nobody() -> None:
    proof = {"key": "did:key:zX", "of": DICE, "number": 7, "entries": ["ab" * 32, "cd" * 32]}
    told = printed(proofs=[proof], strangers=[line("advisory", fact())])
    assert told[0].startswith("PROOF: did:key:zX signed two things with the number 7")
    assert told[1].strip() == f"panspermia cap proof {'ab' * 8} -o FILE"
    assert told[2].startswith("By strangers, which proves nothing")


def test_the_rest_is_counted() -> None:
    many = line("advisory", *([fact()] * 20), count=31, signers=4)
    assert printed(followed=[many])[-1].strip() == "and 26 more"
    assert printed(whole=False)[-1].startswith("More is held than was looked at")


def test_a_moment_is_in_utc() -> None:
    assert moment_text(1_767_268_800_999) == "2026-01-01 12:00:00"
