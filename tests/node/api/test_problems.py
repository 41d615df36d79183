"""The `type` of a problem is an address that says what it means."""

import pytest

from tests.node.parts import Alice


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/modules/io.nobody.knows"),
        ("GET", "/api/search?limit=banana"),
        ("POST", "/api/status"),
        ("GET", "/nowhere"),
        ("GET", "/problems/no-such-code"),
    ],
)
async def test_the_type_of_an_error_can_be_opened(method: str, path: str, alice: Alice) -> None:
    problem = (await alice.client.request(method, path)).json()
    answer = await alice.client.get(problem["type"])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["type"], told["code"]) == (problem["type"], problem["code"])
    assert told["title"] == problem["title"]
    assert told["means"]
    assert told["do"]
    tag = {"if-none-match": answer.headers["etag"]}
    assert (await alice.client.get(problem["type"], headers=tag)).status_code == 304


async def test_a_browser_gets_a_page(alice: Alice) -> None:
    accepts = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await alice.client.get("/problems/over-quota", headers=accepts)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Make room: panspermia gc" in answer.text
    assert "<script" not in answer.text
    tag = {"if-none-match": answer.headers["etag"], **accepts}
    assert (await alice.client.get("/problems/over-quota", headers=tag)).status_code == 304


@pytest.mark.parametrize("code", ["no-such-code", "%3Cscript%3E", "a" * 5_000])
async def test_an_unknown_code_is_a_problem(code: str, alice: Alice) -> None:
    for accept in ("*/*", "text/html"):
        answer = await alice.client.get(f"/problems/{code}", headers={"accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-problem")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_no_token_is_needed(alice: Alice) -> None:
    alice.client.headers.pop("Authorization")
    assert (await alice.client.get("/problems/unauthorized")).status_code == 200
