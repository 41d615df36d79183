"""Uploads that wait for their turn are one change, and each has the answer that is its own."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from blake3 import blake3
from httpx2 import Response

from crdt.blob import BlobId
from node.services.pruning import due_by_upload
from node.services.snapshots import NOT_KEPT
from node.services.universes import document_of, universe_meant
from storage.documents import DocumentState
from tests.node.api.test_snapshots import PLACE, listed, put
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice
from tests.node.services.test_joining import until
from universe import parts, record
from universe.record import Adding, add_snapshots
from universe.snapshot import Snapshot, sign_snapshot

BYTES = {"content-type": "application/octet-stream"}


async def sent(alice: Alice, query: str, body: bytes = b"") -> Response:
    path = f"{PLACE}/snapshot?{query}"
    return await alice.client.post(path, content=body or query.encode(), headers=BYTES)


def are_waiting(alice: Alice, count: int) -> bool:
    return len(alice.node.uploads) == count


@asynccontextmanager
async def held(
    alice: Alice, queries: Sequence[str], body: bytes = b""
) -> AsyncGenerator[list[asyncio.Task[Response]]]:
    """These uploads, of which all wait for their turn until the block ends."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, alice.node.making:
        begun = list[asyncio.Task[Response]]()
        for query in queries:  # one after the other, so that they come in this order
            begun.append(tasks.create_task(sent(alice, query, body)))
            await until(partial(are_waiting, alice, len(begun)))
        yield begun


async def together(alice: Alice, queries: Sequence[str], body: bytes = b"") -> list[Response]:
    async with held(alice, queries, body) as begun:
        pass
    return [one.result() for one in begun]


async def state_of(alice: Alice) -> DocumentState:
    row = await universe_meant(alice.node.store, "universe:main")
    state = await alice.node.store.read(document_of(row))
    assert state is not None
    return state


async def changes(alice: Alice) -> int:
    row = await universe_meant(alice.node.store, "universe:main")
    found = await alice.node.store.documents(kind="uni")
    return next(one.changes for one in found if one.id.record == document_of(row).record)


async def test_uploads_that_wait_are_one_change(alice: Alice) -> None:
    before = await changes(alice)
    event = '{"type":"birth","title":"Fox"}'
    order = [5, 3, 9, 1, 7, 0, 8, 2, 6, 4]
    queries = [f"tick={tick}&type=auto" for tick in order]
    answers = await together(alice, [*queries, f"tick=10&type=canonical&event={event}"])
    assert {one.status_code for one in answers} == {201}
    told = [one.json() for one in answers]
    assert [one["tick"] for one in told] == [*order, 10]
    assert await changes(alice) == before + 1
    there: dict[int, Any] = {one["tick"]: one for one in await listed(alice)}
    assert {one["tick"]: one["id"] for one in told} == {t: one["id"] for t, one in there.items()}
    assert there[10]["canonEvent"]["title"] == "Fox"
    # Each follows the one before it in the time of its world, however they came.
    assert [there[tick].get("parent") for tick in range(11)] == [
        None, *(there[tick]["id"] for tick in range(10))
    ]  # fmt: skip
    for tick in order:
        body = await alice.client.get(f"{PLACE}/snapshot/{tick}")
        assert body.content == f"tick={tick}&type=auto".encode()


async def test_what_waits_for_the_next_change_is_not_looked_at_for_each_before(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look reads all snapshots of the universe, where a rule lets some go."""
    rule = {"retention": {"auto": {"newest": 3}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=rule)).status_code == 200
    looks = list[int]()

    async def counted(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on as it is
        looks.append(1)
        return await due_by_upload(*args, **named)

    monkeypatch.setattr("node.api.routes.snapshot_uploads.due_by_upload", counted)
    answers = await together(alice, [f"tick={tick}&type=auto" for tick in range(20)])
    assert {one.status_code for one in answers} == {201}
    assert [one["tick"] for one in await listed(alice)] in ([17, 18, 19], [19, 18, 17])
    assert len(looks) <= 2 * 20


async def test_the_same_sent_twice_at_once_is_one_snapshot(alice: Alice) -> None:
    first, again, other = await together(alice, ["tick=1", "tick=1", "tick=1&type=auto"])
    assert [one.status_code for one in (first, again, other)] == [201, 200, 201]
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert [one["known"] for one in (first.json(), again.json())] == [False, True]


async def test_what_names_these_bytes_in_a_blob_that_nobody_has_is_another_snapshot(
    alice: Alice,
) -> None:
    """A checksum is what its author says: an upload that was taken for that one would be lost."""
    row, data = await universe_meant(alice.node.store, "universe:main"), b"a dear world"
    signer = await alice.node.signers.for_document(document_of(row))
    lie = Snapshot(
        universe=row.listing.target, tick=5, kind="manual", blob=BlobId(b"\7" * 32),
        size=len(data), checksum=blake3(data).digest(), media=BYTES["content-type"],
        at_us=alice.node.clock_us(),
    )  # fmt: skip
    said = [Adding(sign_snapshot(lie, signer.device))]
    add = add_snapshots(said, now_us=alice.node.clock_us())
    await alice.node.store.commit(document_of(row), add, signer)
    done = await sent(alice, "tick=5", data)
    assert (done.status_code, done.json()["known"]) == (201, False)
    await alice.node.store.gc(grace_us=-1)
    path = f"{PLACE}/snapshot/5?snapshot={done.json()['id']}"
    assert (await alice.client.get(path)).content == data


async def test_who_has_no_room_is_refused_and_the_others_are_not(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "SNAPSHOTS_MAX", 3)
    monkeypatch.setattr(record, "EVENTS_MAX", 1)
    event = '&event={"type":"birth","title":"%s"}'
    await put(alice, b"0", f"tick=0{event % 'First'}")
    answers = await together(
        alice, [f"tick=1{event % 'Second'}", "tick=2", "tick=3", "tick=4", "tick=2"]
    )
    assert [one.status_code for one in answers] == [507, 201, 201, 507, 200]
    assert [answers[at].json()["code"] for at in (0, 3)] == ["universe-full"] * 2
    assert "go on in a fork" in answers[0].json()["detail"]
    assert "prune" in answers[3].json()["detail"]
    assert [one["tick"] for one in await listed(alice)] == [0, 2, 3]


async def test_each_says_what_went_for_it(alice: Alice) -> None:
    """As if they had come one after the other: of the last two kept, each lets one go."""
    rule = {"retention": {"auto": {"newest": 2}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=rule)).status_code == 200
    before = [await put(alice, b"%d" % tick, f"tick={tick}&type=auto") for tick in (0, 1)]
    first, second, third = await together(alice, [f"tick={tick}&type=auto" for tick in (2, 3, 4)])
    went = [
        [one["id"] for one in answer.json()["droppedSnapshots"]]
        for answer in (first, second, third)
    ]
    assert went == [[before[0]["id"]], [before[1]["id"]], [first.json()["id"]]]
    assert [one.json()["dropped"] for one in (first, second, third)] == [1, 1, 1]
    assert [one["tick"] for one in await listed(alice)] == [3, 4]


async def test_what_goes_for_one_of_them_is_not_there_for_the_next(alice: Alice) -> None:
    """Its bytes would be acknowledged as there already, and go with it."""
    rule = {"retention": {"auto": {"newest": 1}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=rule)).status_code == 200
    for tick in (20, 10):
        assert (await sent(alice, f"tick={tick}&type=auto")).status_code == 201
    first, again = await together(alice, ["tick=5&type=auto", "tick=10&type=auto"])
    assert [one.status_code for one in (first, again)] == [201, 201]
    assert again.json()["known"] is False
    went = [[one["tick"] for one in each.json()["droppedSnapshots"]] for each in (first, again)]
    assert went == [[10], [5]]
    assert [one["tick"] for one in await listed(alice)] == [10, 20]
    await alice.node.store.gc(grace_us=-1)
    body = await alice.client.get(f"{PLACE}/snapshot/10")
    assert body.content == b"tick=10&type=auto"


async def test_none_follows_what_goes_for_one_of_them(alice: Alice) -> None:
    rule = {"retention": {"auto": {"newest": 2}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=rule)).status_code == 200
    for tick in (20, 10, 11):
        assert (await sent(alice, f"tick={tick}&type=auto")).status_code == 201
    first, second = await together(alice, ["tick=5&type=auto", "tick=10&type=manual"])
    assert [one["tick"] for one in first.json()["droppedSnapshots"]] == [10]
    assert second.json()["entry"]["parent"] == first.json()["id"]


async def test_what_a_program_calls_made_by_hand_is_there_where_that_is_made_at_once(
    alice: Alice,
) -> None:
    kinds = ["manual", "auto:manual"]
    first, again = await together(alice, [f"tick=1&type={kind}" for kind in kinds], b"a world")
    assert [one.status_code for one in (first, again)] == [201, 200]
    assert first.json()["id"] == again.json()["id"]


async def test_what_goes_by_its_query_is_not_what_comes_in_json_at_once(alice: Alice) -> None:
    policy = {"decayAfterTicks": 10}
    told = {"snapshot": {"tick": 5}, "tick": 5, "type": "auto", "decayPolicy": policy}
    in_json = {"content-type": "application/json"}
    before = await changes(alice)
    query = f"tick=5&type=auto&decay={json.dumps(policy)}"
    body, path = json.dumps(told, separators=(",", ":")).encode(), f"{PLACE}/snapshot"
    async with asyncio.TaskGroup() as tasks, held(alice, [query], b'{"tick":5}') as begun:
        other = tasks.create_task(alice.client.post(path, content=body, headers=in_json))
        await until(partial(are_waiting, alice, 2))
    answers = [begun[0].result(), other.result()]
    assert [one.status_code for one in answers] == [201, 201]
    assert sorted(one.get("wrapped", False) for one in await listed(alice)) == [False, True]
    assert await changes(alice) == before + 1


async def test_who_goes_away_takes_nobody_with_them(alice: Alice) -> None:
    async with held(alice, ["tick=1", "tick=2", "tick=3"]) as begun:
        begun[0].cancel()  # whose turn it would have been
        begun[2].cancel()
        await until(partial(are_waiting, alice, 1))
    assert [one.cancelled() for one in begun] == [True, False, True]
    assert begun[1].result().status_code == 201
    assert [one["tick"] for one in await listed(alice)] == [2]


async def test_as_many_as_a_change_holds_go_together(alice: Alice) -> None:
    before = await changes(alice)
    many = [f'tick={tick}&decay={{"preservationReason":"{"x" * 190}"}}' for tick in range(100)]
    answers = await together(alice, many)
    assert {one.status_code for one in answers} == {201}
    assert 2 <= await changes(alice) - before <= 4
    assert not (await state_of(alice)).left_out
    assert len(await listed(alice)) == 100


async def test_what_is_signed_and_not_listed_is_said_to_its_sender_alone(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record may hold more than is listed of it: others fill it too, at this very moment."""
    monkeypatch.setattr(parts, "SNAPSHOTS_MAX", 1)
    answers = await together(alice, ["tick=1", "tick=2"])
    (kept,) = await listed(alice)
    done, refused = sorted(answers, key=lambda one: one.status_code)
    assert (done.status_code, done.json()["id"]) == (201, kept["id"])
    told = refused.json()
    assert (refused.status_code, told["code"]) == (409, "snapshot-not-kept")
    assert told["detail"] == NOT_KEPT
    monkeypatch.undo()
    await put(alice, b"next", "tick=3")
    assert sorted(one["tick"] for one in await listed(alice)) == [1, 2, 3], "nothing is lost"
