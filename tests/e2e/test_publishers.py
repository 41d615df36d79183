"""A record with a second hand at it, on real daemons: let in, at work, and taken off the list.

Alice owns a module, of which Bob publishes versions, and a universe that he maintains. Carol only
reads. She is connected to both.
"""

import asyncio
import os
from pathlib import Path

import pytest

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey
from node.commands.nodes import LocalNode, wait_for
from node.errors import NotAllowed
from node.failure import Json
from node.home import Home
from node.identity import load_or_create
from node.services.signers import Signers
from node.wiring import clock_us
from registry.listings import project
from storage.store import open_store
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

CLOCK = "io.alice.clock"


def module_at(at: LocalNode, name: str) -> Json:
    return at.client.get(f"/api/modules/{name.replace('/', '%2F')}")


def versions(at: LocalNode, name: str) -> set[str]:
    page = at.client.get("/api/modules")
    return {
        version["version"]
        for module in page["modules"]
        if f"{module['author_did']}/{module['id']}" == name
        for version in module["versions"]
    }


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def test_a_second_publisher_comes_and_goes(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    carol = node("carol", peers=(alice, bob))
    name = f"{alice.did}/{CLOCK}"

    def folder(version: str) -> str:
        answer = int(version.replace(".", ""), 10) % 64
        return str(make_module(tmp_path / version, CLOCK, version, answering(answer)))

    def waits_for(at: LocalNode, wanted: set[str]) -> None:
        what = f"{at.name} to see {sorted(wanted)}"
        wait_for(what, ARRIVE_S, lambda: versions(at, name) == wanted or None)

    done(shell(alice, "publish", folder("1.0.0")))
    for one in (bob, carol):
        waits_for(one, {"1.0.0"})
    (age,) = carol.client.get("/api/status")["authority"]
    assert 0 <= age["compared_s"] < ARRIVE_S, "what root keys said was compared first of all"
    refused = shell(bob, "publish", folder("1.1.0"), "--record", name)
    assert (refused.code, refused.answer["code"]) == (4, "no-capability")

    # Alice lets bob in: a code, which bob's node shows in words and takes.
    granted = done(shell(alice, "cap", "grant", bob.did, "--record", CLOCK))
    assert "the module io.alice.clock" in granted["capabilities"][0]["words"]
    done(shell(bob, "accept", granted["code"], "--yes"))
    done(shell(bob, "publish", folder("1.1.0"), "--record", name))
    for one in (alice, carol):
        waits_for(one, {"1.0.0", "1.1.0"})
    done(shell(bob, "deprecate", f"{name}@1.0.0", "--reason", "take 1.1.0"))

    # Carol takes what bob published as the module's own.
    verified = done(shell(carol, "verify", f"{name}@1.1.0"))
    assert all(check["ok"] for check in verified["checks"])
    done(shell(carol, "install", f"{name}@=1.1.0", "--yes"))
    (publisher,) = done(shell(carol, "info", name))["publishers"]
    assert (publisher["receiver"], publisher["state"]) == (bob.did, "valid")

    # Nothing that is here would go; bob, who is away, does not hear of it.
    wait_for("alice to see it", ARRIVE_S, lambda: is_deprecated(alice, name) or None)
    bob.stop()
    plan = done(shell(alice, "cap", "revoke", bob.did, "--record", CLOCK, "--dry-run"))
    assert (plan["gone"], plan["documents_kept"]) == ([], 1)
    done(shell(alice, "cap", "revoke", bob.did, "--record", CLOCK, "--reason", "moved on"))
    away = node("bob")
    done(shell(away, "publish", folder("1.2.0"), "--record", name))
    assert versions(away, name) == {"1.0.0", "1.1.0", "1.2.0"}
    away.stop()

    # His later version counts nowhere, not even with himself once he hears; the older ones stay.
    bob = node("bob", peers=(alice,))
    wait_for("both to be told", ARRIVE_S, lambda: (told(bob) and told(alice)) or None)
    for one in (alice, bob, carol):
        waits_for(one, {"1.0.0", "1.1.0"})
    assert all(check["ok"] for check in done(shell(carol, "verify", f"{name}@1.1.0"))["checks"])
    refused = shell(bob, "publish", folder("1.3.0"), "--record", name)
    assert (refused.code, refused.answer["code"]) == (4, "revoked")
    explained = done(shell(alice, "cap", "explain", CLOCK))
    (fell,) = explained["left_out"]
    assert (fell["code"], fell["revocations"][0]["reason"]) == ("revoked", "moved on")
    (publisher,) = done(shell(carol, "info", name))["publishers"]
    assert publisher["state"] == "revoked"

    # Alice takes it back: the version that bob made meanwhile is there again, byte for byte.
    statement = fell["revocations"][0]["id"]
    plan = done(shell(alice, "cap", "unrevoke", statement[:16], "--dry-run"))
    assert [one["entry"] for one in plan["back"]] == [fell["entry"]]
    done(shell(alice, "cap", "unrevoke", statement[:16]))
    for one in (alice, bob, carol):
        waits_for(one, {"1.0.0", "1.1.0", "1.2.0"})
    done(shell(bob, "publish", folder("1.3.0"), "--record", name))
    waits_for(carol, {"1.0.0", "1.1.0", "1.2.0", "1.3.0"})


def is_deprecated(at: LocalNode, name: str) -> bool:
    first = next(one for one in module_at(at, name)["versions"] if one["version"] == "1.0.0")
    return bool(first["deprecated"])


def told(at: LocalNode) -> bool:
    """That a change is held and does not count."""
    return bool(at.client.get("/api/status")["left_out"])


# --- a record of another kind --------------------------------------------------------------------

EARTH = "pub/uni/earth"


async def write(at: LocalNode, owner: str, key: str) -> None:
    """What a program does that keeps universes, on a home whose node is stopped."""
    identity = load_or_create(Home(at.home), os.urandom)
    author = AuthorKey(decode_did_key(owner))
    document = DocumentId(COMMONS, author, "pub", "uni", b"earth")
    async with open_store(Home(at.home).database, project=project, clock_us=clock_us) as store:
        signer = await Signers(identity, store, clock_us).for_document(document)
        await store.commit(document, lambda editor: editor.put(("head", key), "yes"), signer)


def maintainers(shell: Shell, at: LocalNode, record: str) -> list[tuple[str, str]]:
    listed = done(shell(at, "cap", "list", "--record", record))["publishers"]
    return [(one["receiver"], one["state"]) for one in listed]


def test_a_maintainer_of_a_universe_comes_and_goes(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    did, record = bob.did, f"{alice.did}/{EARTH}"
    done(shell(bob, "name", "set", "alice", alice.did))
    assert maintainers(shell, alice, EARTH) == []
    assert shell(alice, "cap", "list", "--record", EARTH, "--given").code == 2

    def works(key: str) -> LocalNode:
        """Bob's node stops, writes, and meets alice again."""
        bob.stop()
        asyncio.run(write(bob, alice.did, key))
        return node("bob", peers=(alice,))

    def counted() -> tuple[int, int]:
        """(How many of the universe's changes count, how many do not.)"""
        answer = shell(alice, "cap", "explain", record)
        if answer.code:
            return 0, 0
        counting = sum(one["counted"] for one in answer.answer["writers"])
        return counting, answer.answer["left_out_count"]

    def waits_for(wanted: tuple[int, int]) -> None:
        wait_for(f"alice to count {wanted}", ARRIVE_S, lambda: counted() == wanted or None)

    # Not before he is let in; then it is his name that the record lists, on both nodes.
    bob.stop()
    with pytest.raises(NotAllowed, match="no capability"):
        asyncio.run(write(bob, alice.did, "early"))
    bob = node("bob", peers=(alice,))
    granted = done(shell(alice, "cap", "grant", did, "--record", EARTH))
    (right,) = granted["capabilities"]
    assert "may write the universe earth of you" in right["words"]
    assert right["area"] == record
    done(shell(bob, "accept", granted["code"], "--yes"))
    bob = works("weather")
    waits_for((1, 0))
    assert maintainers(shell, alice, EARTH) == [(did, "valid")]
    assert maintainers(shell, bob, f"alice/{EARTH}") == [(did, "valid")]
    assert maintainers(shell, alice, "pub/uni/mars") == []

    # It ends as any right does: what he did stays, what he does from then on counts nowhere.
    bob.stop()
    done(shell(alice, "cap", "revoke", did, "--record", EARTH, "--reason", "moved on"))
    assert maintainers(shell, alice, EARTH) == [(did, "revoked")]
    asyncio.run(write(bob, alice.did, "late"))  # he has not heard of it
    bob = node("bob", peers=(alice,))
    waits_for((1, 1))
    wait_for("bob to hear", ARRIVE_S, lambda: told(bob) or None)
    assert maintainers(shell, bob, f"alice/{EARTH}") == [(did, "revoked")]
    bob.stop()
    with pytest.raises(NotAllowed, match="taken back"):
        asyncio.run(write(bob, alice.did, "later still"))
