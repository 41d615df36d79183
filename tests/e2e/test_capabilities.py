"""Rights passed on down a chain of real daemons: looked at, narrowed, and taken back in its middle.

Alice owns the guild and lets Bob in as its admin; Bob passes a part of that on to Carol, and later
takes it back, which Alice, who gave neither, follows. Everybody is connected to everybody.
"""

import shutil
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module
from tests.e2e.test_namespaces import seen

pytestmark = pytest.mark.nodes

UNTIL = "2100-01-01"


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def held(shell: Shell, at: LocalNode, mode: str) -> Json:
    """What the author of a node was given in the guild, to read or to write."""
    rights = done(shell(at, "cap", "list", "--held", "--namespace", "guild"))["capabilities"]
    found: list[Json] = [one for one in rights if (one["mode"], one["receiver"]) == (mode, at.did)]
    assert len(found) == 1
    return found[0]


def test_a_chain_is_narrowed_inspected_and_cut_in_its_middle(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    carol = node("carol", peers=(alice, bob))

    def publish(at: LocalNode, id: str) -> Ran:
        folder = make_module(tmp_path / id, id, "1.0.0", answering(7))
        return shell(at, "publish", str(folder), "--namespace", "guild")

    did = done(shell(alice, "namespace", "create", "guild"))["did"]
    rights = ("--read", "--admin", "--namespace", "guild")
    code = done(shell(alice, "cap", "grant", bob.did, *rights))["code"]
    told = done(shell(bob, "accept", code, "--dry-run"))["words"]
    assert any("may write everything of everyone" in line for line in told), told
    assert any("may read everything of everyone" in line for line in told), told
    assert shell(bob, "cap", "list", "--held").answer["capabilities"] == [], "only shown so far"
    done(shell(bob, "accept", code, "--yes"))

    # Bob passes on less than he has: what is carol's, until a date. Never more, and never longer.
    to_read, to_write = held(shell, bob, "read"), held(shell, bob, "write")
    readable = done(shell(bob, "cap", "delegate", to_read["digest"][:12], carol.did))
    hers = ("--area", carol.did, "--until", UNTIL)
    given = done(shell(bob, "cap", "delegate", to_write["digest"][:12], carol.did, *hers))
    (right,) = given["capabilities"]
    assert (right["subspace"], right["until"]) == (carol.did, f"{UNTIL}T00:00:00Z")
    assert right["chain"][-2:] == [bob.did, carol.did]

    # Whoever has the code reads each link of it, without a node; a changed letter shows.
    inspected = done(shell(tmp_path / "nowhere", "cap", "inspect", given["code"]))
    (found,) = inspected["capabilities"]
    assert (found["valid"], found["error"]) == (True, "")
    assert [one["receiver"] for one in found["links"]][-2:] == [bob.did, carol.did]
    assert "until 2100-01-01" in found["links"][-1]["words"]
    assert "until" not in found["links"][-2]["words"]
    assert not (tmp_path / "nowhere").exists()
    swapped = given["code"][:-9] + ("A" if given["code"][-9] != "A" else "B") + given["code"][-8:]
    assert shell(tmp_path / "nowhere", "cap", "inspect", swapped).code != 0
    changed = bytearray.fromhex(found["capability"])
    changed[-1] ^= 1
    refused = shell(tmp_path / "nowhere", "cap", "inspect", changed.hex())
    assert [refused.code, refused.lines[0]["capabilities"][0]["valid"]] == [1, False]

    for code in (readable["code"], given["code"]):
        done(shell(carol, "accept", code, "--yes"))
    done(publish(carol, "io.carol.first"))
    done(publish(bob, "io.bob.lamp"))
    everything = {"io.carol.first", "io.bob.lamp"}
    for one in (alice, bob, carol):
        sees(one, everything)
    wider = shell(carol, "cap", "delegate", held(shell, carol, "write")["digest"], bob.did)
    assert wider.code == 0, "as wide as hers"
    narrow = ("--area", bob.did)
    wider = shell(carol, "cap", "delegate", held(shell, carol, "write")["digest"], bob.did, *narrow)
    assert wider.answer["code"] == "wider-than-parent"

    # Each sees how the right came and how it stands: its giver as given, its receiver as held.
    (listed,) = [one for one in given_in_guild(shell, bob) if one["mode"] == "write"]
    assert (listed["digest"], listed["state"]) == (right["digest"], "valid")
    (listed,) = [one for one in given_in_guild(shell, alice) if one["mode"] == "write"]
    assert (listed["receiver"], listed["state"]) == (bob.did, "valid")

    # Bob takes it back; carol is away and does not hear of it.
    carol.stop()
    place = ("--namespace", "guild", "--reason", "moved on")
    plan = done(shell(bob, "cap", "revoke", carol.did, *place, "--dry-run"))
    assert (plan["gone"], plan["statement"]) == ([], None)
    assert held_states(shell, bob) == {"valid"}
    done(shell(bob, "cap", "revoke", carol.did, *place))
    carol = node("carol")
    done(publish(carol, "io.carol.late"))
    carol.stop()

    # She is no reader any more; what she is still given is bob's word of it, and so she knows why
    # her later work counts nowhere, not even here. What she wrote before stays with everybody.
    carol = node("carol", peers=(alice, bob))
    wait_for("carol to hear", ARRIVE_S, lambda: left_out(shell, carol, carol))
    (fell,) = left_out(shell, carol, carol) or []
    (cut,) = fell["revocations"]
    assert (fell["code"], cut["issuer"], cut["reason"]) == ("revoked", bob.did, "moved on")
    refused = publish(carol, "io.carol.third")
    assert (refused.code, refused.answer["code"]) == (4, "revoked")
    assert held(shell, carol, "write")["state"] == held(shell, carol, "read")["state"] == "revoked"
    done(publish(bob, "io.bob.horn"))
    wait_for("alice to see it", ARRIVE_S, lambda: "io.bob.horn" in seen(alice) or None)
    for one in (alice, bob, carol):
        assert seen(one) - {"io.bob.horn"} == everything
    assert "io.bob.horn" not in seen(carol)
    assert left_out(shell, alice, carol) is None, "it never came"

    # The links above are as they were; alice, who gave carol nothing, knows who took it back.
    assert {one["state"] for one in given_in_guild(shell, bob)} == {"revoked"}
    assert held_states(shell, bob) == {"valid"}
    said = done(shell(alice, "cap", "list", "--namespace", "guild"))["revocations"]
    assert [(one["issuer"], one["key"], one["namespace"]) for one in said] == [
        (bob.did, carol.did, did)
    ]


def sees(at: LocalNode, modules: set[str]) -> None:
    wait_for(f"{at.name} to see {modules}", ARRIVE_S, lambda: seen(at) == modules or None)


def given_in_guild(shell: Shell, at: LocalNode) -> list[Json]:
    given: list[Json] = done(shell(at, "cap", "list", "--given", "--namespace", "guild"))["given"]
    return given


def held_states(shell: Shell, at: LocalNode) -> set[str]:
    rights = done(shell(at, "cap", "list", "--held", "--namespace", "guild"))["capabilities"]
    return {one["state"] for one in rights}


def left_out(shell: Shell, at: LocalNode, of: LocalNode) -> list[Json] | None:
    """What is held of carol's late module and does not count."""
    ran = shell(at, "cap", "explain", f"{of.did}/io.carol.late", "--namespace", "guild")
    if ran.code == 5:
        return None
    found: list[Json] = done(ran)["left_out"]
    return found or None


def test_a_copied_home_is_proved_to_a_third(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    """Two homes with one device key each go on from the same act; bob holds what both made."""
    alice = node("alice")

    def publish(at: LocalNode, version: str) -> None:
        wasm = answering(int(version[2]))
        done(shell(at, "publish", str(make_module(tmp_path / version, "io.a.b", version, wasm))))

    def wait_to_see(at: LocalNode, *versions: str) -> None:
        def look() -> bool | None:
            modules = at.client.get("/api/modules")["modules"]
            found = {each["version"] for module in modules for each in module["versions"]}
            return found == set(versions) or None

        wait_for(f"{at.name} to see {versions}", ARRIVE_S, look)

    publish(alice, "1.0.0")
    alice.stop()
    shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    publish(alice, "1.1.0")
    wait_to_see(bob, "1.0.0", "1.1.0")
    alice.stop()
    copy = node("copy")
    assert copy.did == alice.did
    publish(copy, "1.2.0")
    done(shell(bob, "connect", str(copy.ready["p2p"])))
    name = f"{alice.did}/io.a.b"

    def forks() -> list[Json]:
        found: list[Json] = done(shell(bob, "cap", "explain", name))["forks"]
        return found

    (fork,) = wait_for("bob to hold both", ARRIVE_S, lambda: forks() or None)
    assert [one["counts"] for one in fork["entries"]] == [True, False]
    (lost,) = [one["entry"] for one in fork["entries"] if one["code"] == "lost-branch"]

    # He hands the proof on to whoever has this program and nothing else of all that.
    file = tmp_path / "alice.proof"
    done(shell(bob, "cap", "proof", lost[:16], "-o", str(file)))
    proved = done(shell(tmp_path / "nowhere", "cap", "inspect", str(file)))
    assert (proved["key"], proved["record"], proved["seq"]) == (fork["key"], name, fork["seq"])
    assert {one["entry"] for one in proved["entries"]} == {one["entry"] for one in fork["entries"]}
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused = shell(tmp_path / "nowhere", "cap", "inspect", str(file))
    assert (refused.code, refused.answer["code"]) == (7, "proof-fails")


def test_honest_work_on_what_is_revoked_is_named_and_made_again(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    """Bob's version of alice's module turns out bad; hers, which she built on it, need not go."""
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    name = f"{alice.did}/io.a.b"

    def publish(at: LocalNode, version: str, *more: str) -> None:
        folder = make_module(tmp_path / version, "io.a.b", version, answering(int(version[2])))
        done(shell(at, "publish", str(folder), *more))

    def versions(at: LocalNode) -> set[str]:
        modules = at.client.get("/api/modules")["modules"]
        return {each["version"] for module in modules for each in module["versions"]}

    def wait_to_see(at: LocalNode, *wanted: str) -> None:
        wait_for(f"{at.name} to see {wanted}", ARRIVE_S, lambda: versions(at) == {*wanted} or None)

    publish(alice, "1.0.0")
    wait_to_see(bob, "1.0.0")
    code = done(shell(alice, "cap", "grant", bob.did, "--record", "io.a.b"))["code"]
    done(shell(bob, "accept", code, "--yes"))
    publish(bob, "1.1.0", "--record", name)
    wait_to_see(alice, "1.0.0", "1.1.0")
    publish(alice, "1.2.0")
    wait_to_see(bob, "1.0.0", "1.1.0", "1.2.0")

    cut = ("cap", "revoke", bob.did, "--record", "io.a.b", "--since", "2020-01-01")
    plan = done(shell(alice, *cut, "--dry-run"))
    fates = {(one["code"], one["is_others"], one["entries"]) for one in plan["sums"]}
    assert fates == {("revoked", False, 1), ("excluded-dependency", True, 1)}
    assert versions(alice) == {"1.0.0", "1.1.0", "1.2.0"}, "only said so far"
    assert done(shell(alice, *cut, "--yes"))["sums"] == plan["sums"]
    for one in (alice, bob):
        wait_to_see(one, "1.0.0")

    again = done(shell(alice, "cap", "reapply", "io.a.b", "--dry-run"))
    assert (again["changes"], again["entry"]) == (1, None)
    assert any(place["place"].startswith("versions/1.2.0") for place in again["places"]), again
    assert done(shell(alice, "cap", "reapply", "io.a.b"))["entry"]
    for one in (alice, bob):
        wait_to_see(one, "1.0.0", "1.2.0")
    assert all(check["ok"] for check in done(shell(bob, "verify", f"{name}@1.2.0"))["checks"])
