"""`doctor` and `status`: what others sent and was refused is told from slips of one's own."""

import json

from tests.node.parts import Alice
from tests.node.served import shown, typed


async def refused(alice: Alice) -> tuple[bool, str, str, str]:
    """(whether the doctor finds it well, what it says), of others; what it says of one's own slips,
    and `status` of both."""
    async with shown(alice) as home:
        answer = json.loads((await typed(home, "--json", "doctor")).output)
        found = {one["name"]: one for one in answer["findings"]}
        assert found["slips"]["ok"]
        lines = (await typed(home, "status")).output.splitlines()
    told = [" ".join(one.split()) for one in lines if one.startswith(("refused", "slips"))]
    one = found["refused"]
    assert one["fix"] == ("" if one["ok"] else "panspermia refused")
    return one["ok"], one["detail"], found["slips"]["detail"], " | ".join(told)


async def test_slips_of_ones_own_are_nothing_that_others_sent(alice: Alice) -> None:
    none = "0 of what others sent was refused"
    of_none = "0 requests and command lines of yours were refused: panspermia refused"
    assert await refused(alice) == (True, none, of_none, "")
    for tick in ("x", "-1"):
        sent = await alice.client.get(f"/api/modules?limit={tick}")
        assert sent.status_code == 400, sent.text
    note = {"where": "panspermia gc", "code": "usage", "detail": "No such option: --dry-ru"}
    for _ in range(2):  # the same again is counted
        await alice.client.post("/api/refused", json={**note, "source": "command line"})
    await alice.client.post("/api/refused", json=note)
    slips = "5 requests and command lines of yours were refused"
    see = "; see: panspermia refused"
    assert await refused(alice) == (
        True, none, f"{slips}: panspermia refused", f"slips {slips}{see}",
    )  # fmt: skip
    for number in range(3):
        await alice.node.store.refuse("ab" * 32, f"thing {number}", "bad", "it was bad", b"x")
    ok, detail, own, line = await refused(alice)
    assert (ok, detail) == (False, "3 of what others sent was refused")
    assert own.startswith(slips)
    assert line == f"refused 3 of others{see} | slips {slips}{see}"
    status = (await alice.client.get("/api/status")).json()
    assert (status["refused"], status["slips"]) == (8, 5)
