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
