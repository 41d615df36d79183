"""How single rows and problems read on a terminal."""

from io import StringIO

import pytest

from node.commands.find import version_row
from node.commands.installing import lowered_unasked
from node.commands.peers import refused_row
from node.failure import Failure

ALICE = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
VERSION = {
    "version": "1.0.0", "published_at": "2026-01-01T00:00:00Z", "wasm_size": 41, "yanked": False,
    "yank_reason": "", "deprecated": False, "deprecation": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ({}, "ok"),
        ({"yanked": True}, "yanked"),
        ({"yanked": True, "yank_reason": "leaks"}, "yanked: leaks"),
        ({"deprecated": True, "deprecation": "use 2"}, "deprecated: use 2"),
    ],
)
def test_a_version_says_why_it_was_marked(marks: dict[str, object], state: str) -> None:
    assert version_row({**VERSION, **marks})[-1] == state


def test_a_refusal_is_one_line_and_says_what_is_held() -> None:
    refused = {
        "at": "2026-01-01T00:00:00Z", "source": "api", "where": "POST /api/modules",
        "code": "bad", "detail": "line 1: a\nline 2: b", "count": 2, "held": False,
    }  # fmt: skip
    assert refused_row(refused)[3] == "bad: line 1: a; line 2: b"
    held = refused_row({**refused, "detail": "it lost", "held": True})
    assert held[3] == "bad: it lost, so it is held and does not count"


def test_only_what_nobody_named_goes_back_unasked() -> None:
    plan = {"downgrade": [{"id": f"{ALICE}/io.test.a", "from": "2.0.0", "to": "1.0.0"}]}
    assert lowered_unasked(plan, ["io.test.a@^1"]) == []
    assert lowered_unasked(plan, [f"{ALICE}/io.test.a@^1"]) == []
    (said,) = lowered_unasked(plan, ["io.test.b"])
    assert said.endswith("/io.test.a 2.0.0 → 1.0.0")


def test_a_problem_says_nothing_twice() -> None:
    errors = [{"pointer": "/stars", "detail": "too many"}, {"pointer": "/x", "detail": "unknown"}]
    problem = {"title": "Invalid body", "detail": "/stars: too many", "candidates": ["io.a"]}
    out = StringIO()
    Failure({**problem, "errors": errors}).show(out)
    assert out.getvalue().splitlines() == [
        "error: Invalid body",
        "/stars: too many",
        "  /x: unknown",
        "  io.a",
    ]
