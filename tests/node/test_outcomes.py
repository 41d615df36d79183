"""One table for every error: no class of ours is without an answer."""

import inspect
from types import ModuleType

import pytest
from starlette.exceptions import HTTPException

import crdt.errors
import node.errors
import p2p.protocol.errors
import registry.errors
import registry.formats.errors
import registry.wasm.errors
import storage.errors
from node.errors import Fault, NotFound
from node.outcomes import OUTCOMES, outcome_of, problem_of
from registry.errors import AmbiguousName, InvalidManifest, Problem

MODULES = [
    crdt.errors, node.errors, p2p.protocol.errors, registry.errors,
    registry.formats.errors, registry.wasm.errors, storage.errors,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_error_of_ours_has_an_answer(module: ModuleType) -> None:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and kind.__module__ == module.__name__:
            own = [base for base in kind.__mro__ if base in OUTCOMES]
            assert own, kind
            assert 400 <= OUTCOMES[own[0]].status < 600


def test_the_closest_class_counts() -> None:
    found = outcome_of(crdt.errors.Unauthorised("bad-signature", "no"))
    assert found is not None
    assert found.status == 403
    assert outcome_of(ValueError("a bug")) is None
    assert problem_of(KeyError("a bug")) is None


def test_problems_carry_what_a_person_needs() -> None:
    ambiguous = problem_of(AmbiguousName("org.a", ("did:a/org.a", "did:b/org.a")))
    assert ambiguous is not None
    assert ambiguous.problem.status == 409
    assert ambiguous.problem.candidates == ("did:a/org.a", "did:b/org.a")
    invalid = problem_of(InvalidManifest((Problem("/module/id", "is needed", 3),)))
    assert invalid is not None
    assert invalid.problem.errors == (Fault("/module/id", "line 3: module.id: is needed"),)
    ours = problem_of(NotFound("no such thing", code="unknown-thing"))
    assert ours is not None
    assert (ours.problem.code, ours.problem.detail) == ("unknown-thing", "no such thing")
    signed = problem_of(crdt.errors.Unauthorised("bad-signature", "it does not match"))
    assert signed is not None
    assert (signed.problem.code, signed.problem.detail) == ("bad-signature", "it does not match")


def test_the_frameworks_errors() -> None:
    refused = problem_of(HTTPException(405, headers={"Allow": "GET"}))
    assert refused is not None
    assert refused.problem.code == "method-not-allowed"
    assert refused.headers["Allow"] == "GET"
