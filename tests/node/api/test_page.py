"""The page gets a token that may write, by a code that only whoever has the token could show."""

from tests.node.parts import Alice


async def test_a_typed_code_gives_a_token_that_may_write_and_no_more(alice: Alice) -> None:
    made = (await alice.client.post("/api/page/codes", json={})).json()
    del alice.client.headers["authorization"]
    answer = await alice.client.post("/api/page/tokens", json={"code": made["code"]})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    bearer = {"authorization": f"Bearer {answer.json()['token']}"}
    invite = await alice.client.post("/api/invites", json={}, headers=bearer)
    assert invite.status_code == 201, invite.text
    shut = await alice.client.post("/api/shutdown", json={}, headers=bearer)
    assert (shut.status_code, shut.json()["code"]) == (403, "access-too-low")
    again = await alice.client.post("/api/page/tokens", json={"code": made["code"]})
    assert (again.status_code, again.json()["code"]) == (403, "page-code")


async def test_without_the_token_nobody_gets_a_code(alice: Alice) -> None:
    del alice.client.headers["authorization"]
    assert (await alice.client.post("/api/page/codes", json={})).status_code == 401
    guess = await alice.client.post("/api/page/tokens", json={"code": "K7QX-2M9P"})
    assert (guess.status_code, guess.json()["code"]) == (403, "page-code")
    long = await alice.client.post("/api/page/tokens", json={"code": "0" * 65})
    assert long.status_code == 422


async def test_an_invite_comes_with_its_qr(alice: Alice) -> None:
    made = (await alice.client.post("/api/invites", json={})).json()
    rows = made["qr"]
    assert len(rows) > 40
    assert {len(row) for row in rows} == {len(rows)}
    assert set("".join(rows)) == {"0", "1"}
    assert set("".join(rows[:4])) == {"0"}, "the quiet zone"
    assert rows[4][4:11] == "1111111", "a finder pattern"
    assert made["link"] not in str(rows)
