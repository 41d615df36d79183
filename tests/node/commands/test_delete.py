"""`delete`: what it says brings a record back does so."""

import shlex

from tests.node.api.test_namespaces import ADD, post
from tests.node.modules import new_module
from tests.node.parts import Alice
from tests.node.served import shown, typed


async def test_the_command_that_brings_it_back_says_in_which_namespace_it_lies(
    alice: Alice,
) -> None:
    await post(alice, "/api/namespaces", {"name": "guild"})
    await post(alice, "/api/modules", {**new_module(), "namespace": "guild"})
    async with shown(alice) as home:
        gone = await typed(home, "delete", ADD, "--namespace", "guild")
        assert gone.exit_code == 0, gone.output
        undo = f"panspermia delete {ADD} --undo --namespace guild"
        assert f"`{undo}` brings it back" in gone.output
        back = await typed(home, *shlex.split(undo)[1:])
        assert (back.exit_code, "is back" in back.output) == (0, True), back.output


async def test_undo_finds_it_where_it_lies(alice: Alice) -> None:
    """A universe of no namespace in particular, as the one that makes it is asked for by nobody."""
    body = {"id": "universe:ret", "name": "Ret"}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    name = "universe/universe:ret"
    async with shown(alice) as home:
        lost = await typed(home, "delete", name)
        assert lost.exit_code != 0
        assert "say where: --namespace private" in lost.output
        gone = await alice.client.delete("/api/universe/universe:ret")
        told = gone.json()["message"].split("`")[1]
        assert "--namespace" in told
        for undo in (f"panspermia delete {name} --undo", told):
            assert (await alice.client.get("/api/universe/universe:ret")).status_code == 404
            back = await typed(home, *shlex.split(undo)[1:])
            assert (back.exit_code, "is back" in back.output) == (0, True), back.output
            assert (await alice.client.get("/api/universe/universe:ret")).status_code == 200
            again = await typed(home, *shlex.split(undo)[1:])
            assert again.exit_code != 0
            assert "is not deleted" in again.output
            assert (await alice.client.delete("/api/universe/universe:ret")).status_code == 200


async def test_what_was_deleted_in_several_namespaces_is_asked_for(alice: Alice) -> None:
    for namespace in ("guild", "club"):
        await post(alice, "/api/namespaces", {"name": namespace})
        await post(alice, "/api/modules", {**new_module(), "namespace": namespace})
    async with shown(alice) as home:
        assert (await typed(home, "delete", ADD, "--namespace", "club")).exit_code == 0
        one = await typed(home, "delete", ADD, "--undo")
        assert (one.exit_code, "is back" in one.output) == (0, True), one.output
        for namespace in ("guild", "club"):
            assert (await typed(home, "delete", ADD, "--namespace", namespace)).exit_code == 0
        several = await typed(home, "delete", ADD, "--undo")
        assert several.exit_code != 0
        assert "--namespace club or guild" in several.output
        wrong = await typed(home, "delete", ADD, "--undo", "--namespace", "commons")
        assert "nothing is held of" in wrong.output
        back = await typed(home, "delete", ADD, "--undo", "--namespace", "club")
        assert "is back" in back.output
