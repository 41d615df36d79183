"""Texts that JavaScript cut within a character: nothing that a game sends is refused for it."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Response

from node.config import ApiConfig, Config
from tests.node.api.test_snapshots import AT, PLACE, listed
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice, open_alice

CUT = "A tree \ud83c"
SHOWN = "A tree �"
# As `JSON.stringify` writes it: the half that is left of a character is an escape.
STATE = b'{"name":"A tree \\ud83c","and":["\\udf33","\\ud83c\\udf33","\\\\ud83c"]}'


async def sent(alice: Alice, path: str, **said: object) -> Response:
    """As `json.dumps` and `JSON.stringify` both write it."""
    body = json.dumps(said)
    assert body.isascii()
    return await alice.client.post(path, content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("is_packed", [False, True])
async def test_a_state_is_kept_as_it_came_and_what_is_said_of_it_is_text(
    alice: Alice, *, is_packed: bool
) -> None:
    event = (
        b'{"type":"birth","title":"A tree \\ud83c","description":"\\udf33","entities":["\\ud83c"]}'
    )
    beside = b'"tick":1,"type":"canonical","canonEvent":' + event
    packed = base64.b64encode(gzip.compress(STATE, mtime=0))
    state = b'"compressedSnapshot":"%s"' % packed if is_packed else b'"snapshot":' + STATE
    answer = await alice.client.post(
        AT, content=b"{%s,%s}" % (state, beside), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 201, answer.text
    assert (await alice.client.get(f"{AT}/1?raw=true")).content == STATE
    assert b'{"snapshot":' + STATE in (await alice.client.get(f"{AT}/1")).content
    (entry,) = await listed(alice)
    assert entry["canonEvent"]["title"] == SHOWN
    assert entry["canonEvent"]["description"] == "�"
    assert entry["canonEvent"]["entities"] == ["�"]
    again = await alice.client.post(
        AT, content=b"{%s,%s}" % (state, beside), headers={"content-type": "application/json"}
    )
    assert (again.status_code, again.json()["known"]) == (200, True)


async def test_what_stands_in_the_query_is_text(alice: Alice) -> None:
    said = quote(json.dumps({"type": "birth", "title": CUT}))
    why = quote(json.dumps({"preservationReason": CUT}))
    answer = await alice.client.post(f"{AT}?tick=1&event={said}&decay={why}", content=b"a world")
    assert answer.status_code == 201, answer.text
    entry = answer.json()["entry"]
    assert entry["canonEvent"]["title"] == SHOWN
    assert entry["decayPolicy"] == {"preservationReason": SHOWN}


async def test_whatever_else_a_game_writes_is_text(tmp_path: Path) -> None:
    config = Config(api=ApiConfig(compat=True))
    async with open_alice(tmp_path / "a", config=config) as alice:
        made: list[dict[str, Any]] = []
        for id in ("one", "two"):
            answer = await sent(alice, "/api/universe", id=id, name=CUT, ownerId=CUT,
                                config={"magicLevel": CUT}, isPublic=True)  # fmt: skip
            assert answer.status_code == 201, answer.text
            made.append(answer.json()["universe"])
        assert [(one["name"], one["ownerId"]) for one in made] == [(SHOWN, SHOWN)] * 2
        assert made[0]["config"] == {"magicLevel": SHOWN}
        for token in (True, False):
            if not token:
                del alice.client.headers["authorization"]
            player = await sent(alice, "/api/player", id=f"player:{token}", displayName=CUT)
            assert player.status_code == 201, player.text
            assert player.json()["player"]["displayName"] == SHOWN
        event = await sent(alice, "/api/universe/one/timeline", tick=1, type="war", title=CUT)
        assert event.status_code == 201, event.text
        assert event.json()["entry"]["title"] == SHOWN
        kept = await alice.client.post("/api/universe/one/snapshot?tick=1", content=b"a world")
        assert kept.status_code == 201
        fork = await sent(alice, "/api/universe/one/fork", snapshotTick=1, name=CUT, ownerId=CUT)
        assert fork.status_code == 201, fork.text
        assert fork.json()["universe"]["name"] == SHOWN
        passage = await sent(alice, "/api/passage", sourceUniverseId="one", targetUniverseId="two",
                             type="bridge", createdBy=CUT)  # fmt: skip
        assert passage.status_code == 201, passage.text
        assert passage.json()["passage"]["createdBy"] == SHOWN


async def test_what_is_no_json_stays_refused(alice: Alice) -> None:
    for body in (b'{"name":"\\ud8"}', b'{"name":"\\"}', b'{"name":"\xed\xa0\xbc"}'):
        answer = await alice.client.post(
            "/api/universe", content=body, headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "not-json"), answer.text
    assert (await alice.client.get(PLACE)).json()["universe"]["name"] == "Main"
