"""A group of three and a stranger, each a real daemon: who sees what, and who does not.

Alice makes the guild. Bob may read all of it and write what is his, Carol may read what Bob writes,
Dave knows nothing of it. Everybody is connected to Alice, and Bob to Dave.
"""

from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, delegate, encode_capability, own
from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey
from node.commands.nodes import LocalNode, wait_for
from node.failure import Failure, Json
from storage.keyfiles import read_key
from tests.e2e.story import ARRIVE_S, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

CLOCK, LAMP = "io.bob.clock", "io.alice.lamp"


def guild_key(home: Path) -> SigningKey:
    """Of the one namespace that was made in this home."""
    (file,) = (home / "identity" / "namespaces").iterdir()
    return SigningKey.from_seed(read_key(file))


def grant(key: SigningKey, to: LocalNode, mode: int, area: Area) -> None:
    """What the owner of `key` gives to somebody's author, handed over as an invite would."""
    given = delegate(own(key, mode, key.public), key, area, decode_did_key(to.did))
    to.client.post("/api/capabilities", {"capability": encode_capability(given).hex()})


def author_of(node: LocalNode) -> AuthorKey:
    return AuthorKey(decode_did_key(node.did))


def seen(at: LocalNode, namespace: str = "guild") -> set[str]:
    page = at.client.get("/api/modules", {"namespace": namespace})
    return {module["id"] for module in page["modules"]}


def entries_in(at: LocalNode) -> int:
    """Of all namespaces."""
    return int(at.client.get("/api/status")["entries"])


def test_a_group_of_three_and_a_stranger(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    bob, carol = node("bob", peers=(alice,)), node("carol", peers=(alice,))
    dave = node("dave", peers=(alice, bob))
    made = shell(alice, "namespace", "create", "guild")
    assert made.code == 0, made
    did = made.answer["did"]

    # Nobody gets in before they were let in; the sessions are running by then.
    refused = shell(bob, "namespace", "join", did, "--name", "guild")
    assert (refused.code, refused.answer["code"]) == (4, "no-capability")
    key = guild_key(alice.home)
    grant(key, bob, READ, Area())
    grant(key, bob, WRITE, Area(author_of(bob)))
    grant(key, carol, READ, Area(author_of(bob)))
    for one in (bob, carol):
        joined = shell(one, "namespace", "join", did, "--name", "guild")
        assert joined.code == 0, joined

    # Bob publishes in what is his; alice sees it, and carol does.
    clock = make_module(tmp_path / "clock", CLOCK, "1.0.0", answering(7))
    assert shell(bob, "publish", str(clock), "--namespace", "guild").code == 0
    lamp = make_module(tmp_path / "lamp", LAMP, "1.0.0", answering(9))
    assert shell(alice, "publish", str(lamp), "--namespace", "guild").code == 0
    wait_for("alice to see bob's", ARRIVE_S, lambda: seen(alice) == {CLOCK, LAMP} or None)
    wait_for("bob to see alice's", ARRIVE_S, lambda: seen(bob) == {CLOCK, LAMP} or None)
    wait_for("carol to see bob's", ARRIVE_S, lambda: CLOCK in seen(carol) or None)
    for one in (alice, carol):  # carol knows alice only, who has them by then
        file = tmp_path / f"{one.name}.wasm"
        ran = shell(one, "fetch", f"{CLOCK}@1.0.0", "--namespace", "guild", "-o", str(file))
        assert ran.code == 0, ran
        assert file.read_bytes() == answering(7)
    found = shell(alice, "search", "test").answer["results"]
    assert {hit["namespace"] for hit in found} == {did}

    # A public one shows that all that was to come has come.
    public = make_module(tmp_path / "public", "io.alice.public", "1.0.0", answering(1))
    assert shell(alice, "publish", str(public)).code == 0
    wait_for("carol to see it", ARRIVE_S, lambda: seen(carol, "commons") or None)
    wait_for("dave to see it", ARRIVE_S, lambda: seen(dave, "commons") or None)
    for one in (carol, dave):
        assert shell(one, "sync", "--wait").code == 0

    # Carol has what bob wrote and no more; she may write nothing.
    assert seen(carol) == {CLOCK}
    assert entries_in(carol) == 2
    mine = make_module(tmp_path / "mine", "io.carol.mine", "1.0.0", answering(3))
    refused = shell(carol, "publish", str(mine), "--namespace", "guild")
    assert (refused.code, refused.answer["code"]) == (4, "no-capability")

    # Dave has the public one; nothing of his home or his log so much as names the guild.
    assert entries_in(dave) == 1
    blob = alice.client.get(f"/api/modules/{LAMP}", {"namespace": "guild"})["versions"][0]["blob"]
    assert fetch_code(dave, blob) == "blob-unreachable"
    names = (did.encode(), key.public, key.public.hex().encode(), LAMP.encode(), CLOCK.encode())
    for one in (alice, bob, carol, dave):
        one.stop()
    assert holds(alice.home, names)
    assert not holds(dave.home, names)


def fetch_code(at: LocalNode, blob: str) -> str:
    try:
        at.client.get_bytes(f"/api/blobs/{blob}")
    except Failure as failure:
        return str(failure.problem["code"])
    return "fetched"


def holds(home: Path, names: tuple[bytes, ...]) -> bool:
    """Whether any file of this home has one of the names in it, or what it printed has."""
    files = [path for path in home.rglob("*") if path.is_file()]
    files += [home.with_name(f"{home.name}.{end}") for end in ("out", "log")]
    return any(name in path.read_bytes() for path in files for name in names)


def test_peers_that_share_a_namespace_are_counted(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    meadow = encode_did_key(bytes([2]) * 32)
    for one in (alice, bob):
        ran = shell(one, "namespace", "join", meadow, "--name", "meadow")
        assert ran.code == 0, ran

    def shares(at: LocalNode) -> bool | None:
        return [one["peers"] for one in namespaces(shell, at)] == [1, 1] or None

    wait_for("both to share it", ARRIVE_S, lambda: shares(alice) and shares(bob))
    assert shell(bob, "namespace", "leave", "meadow").code == 0

    def is_left(at: LocalNode) -> bool | None:
        return namespaces(shell, at)[1]["peers"] == 0 or None

    wait_for("alice to hear of it", ARRIVE_S, lambda: is_left(alice))
    assert [one["name"] for one in namespaces(shell, bob)] == ["commons"]


def namespaces(shell: Shell, at: LocalNode) -> list[Json]:
    listed: list[Json] = shell(at, "namespace", "list").answer["namespaces"]
    return listed
