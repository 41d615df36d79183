"""How a contradiction reads, and who is named in it."""

from node.commands.attest import contradiction_lines, other_lines
from node.commands.petnames import Petnames

BOB, CAROL, MALLORY = (f"did:key:z6Mk{name * 44}" for name in ("b", "c", "m"))
CALLED = Petnames({"bob": BOB})


def word(author: str, result: int, *, trusted: bool, claimed: bool = False) -> dict[str, object]:
    return {
        "author": author, "result": result, "ending": "result", "trusted": trusted,
        "claimed": claimed, "engine": "wasmtime 50",
    }  # fmt: skip


def test_who_counts_is_named_first_by_what_they_are_called_here() -> None:
    one = {
        "disputed": True, "ending": "result", "result": 5,
        "contradictions": [
            word(BOB, 6_000, trusted=True), word(CAROL, 7, trusted=True, claimed=True),
            word(MALLORY, 8, trusted=False),
        ],
    }  # fmt: skip
    first, bob, carol = contradiction_lines(one, CALLED)
    assert first == "CONTRADICTION: one evaluation has one answer, and not all say 5"
    assert bob.startswith("  bob (z6Mkbb")
    assert bob.endswith(") ran it (wasmtime 50) and says 6,000")
    assert carol == f"  {CAROL} only claims 7", "whole: it may be given a name"
    assert other_lines(one, CALLED) == [
        "something else, which decides nothing:",
        f"  {MALLORY}, a stranger, ran it (wasmtime 50) and says 8",
    ]
