"""A module with a second publisher, on real daemons: let in, at work, and taken off the list.

Alice owns the module, Bob publishes versions of it, Carol only reads. She is connected to both.
"""

from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.alone

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
