"""Every code that an error of ours can carry has its meaning, found in the source itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import SLIPS
from node.meanings import CHECKS, MEANINGS, MODULES, NODE, RUNS
from node.meanings.advisories import ADVISORIES
from node.meanings.direct import DIRECT
from node.meanings.evaluations import EVALUATIONS
from node.meanings.families import FAMILIES
from node.meanings.files import FILES
from node.meanings.invites import INVITES
from node.meanings.life import LIFE
from node.meanings.passages import PASSAGES
from node.meanings.players import PLAYERS
from node.meanings.relays import RELAYS
from node.meanings.requests import REQUESTS
from node.meanings.rights import RIGHTS
from node.meanings.universes import UNIVERSES
from node.outcomes import OUTCOMES

ROOT = Path(__file__).parents[2]
FOLDERS = ("crdt", "node", "p2p", "registry", "storage", "universe")

# Where the code stands in a call that makes a problem, or an error that becomes one.
PLACES = {
    "ProblemError": 1, "Malformed": 0, "Unauthorised": 0, "Unusable": 0, "LocalProtocolError": 0,
    "RemoteProtocolError": 0, "PeerLeft": 0, "PeerTimeout": 0, "NoPeerHasIt": 0, "Unlinkable": 0,
    "failure": 0, "failed": 0, "Failed": 0, "Compiled": 1, "_refusal": 1,
}  # fmt: skip
NO_PROBLEMS = {"ok"}


def codes_in(tree: ast.Module) -> Iterator[object]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                place = PLACES.get(name)
                given = [one.value for one in node.keywords if one.arg == "code"]
                given += node.args[place : place + 1] if place is not None else []
                yield from (one.value for one in given if isinstance(one, ast.Constant))
            case ast.AnnAssign(target=ast.Name(id="code")) | ast.Assign(targets=[ast.Name("code")]):
                if isinstance(node.value, ast.Constant):
                    yield node.value.value
            case _:
                pass


def all_codes() -> set[str]:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    found = {code for file in files for code in codes_in(ast.parse(file.read_text()))}
    found |= {outcome.code for outcome in OUTCOMES.values() if outcome.code} | {*SLIPS}
    return {code for code in found if isinstance(code, str)} - NO_PROBLEMS


def test_every_code_has_a_meaning() -> None:
    codes = all_codes()
    assert len(codes) > 100
    assert not sorted(codes - MEANINGS.keys())


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_a_meaning_is_sentences(code: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert MEANINGS[code].means.endswith(".")
    assert MEANINGS[code].do


def test_no_code_stands_twice() -> None:
    listed = [code for _, codes in FAMILIES for code in codes.split()]
    tables = (
        REQUESTS,
        MODULES,
        CHECKS,
        RUNS,
        NODE,
        RIGHTS,
        FILES,
        EVALUATIONS,
        LIFE,
        PASSAGES,
        PLAYERS,
        UNIVERSES,
        DIRECT,
        INVITES,
        RELAYS,
        ADVISORIES,
    )
    listed += [code for table in tables for code in table]
    assert sorted(listed) == sorted(MEANINGS)
