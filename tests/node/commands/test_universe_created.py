"""`universe create`: who types the same line twice has one universe."""

from tests.node.parts import Alice
from tests.node.served import shown, typed


async def names(alice: Alice) -> list[str]:
    found = (await alice.client.get("/api/universes")).json()["universes"]
    return sorted(one["name"] for one in found)


async def test_a_name_said_again_makes_no_second_one_unless_that_is_said(alice: Alice) -> None:
    async with shown(alice) as home:
        create = ("universe", "create", "Meadow  Nine")
        made = await typed(home, *create)
        assert made.exit_code == 0, made.output
        id = made.output.partition(": created")[0]
        again = await typed(home, *create, "--public")
        assert again.exit_code == 1
        assert f"called Meadow  Nine already: {id}\n" in again.output
        assert "--again" in again.output
        assert await names(alice) == ["Meadow  Nine"]
        other = await typed(home, *create, "--again")
        assert (other.exit_code, "created" in other.output) == (0, True)
        assert await names(alice) == ["Meadow  Nine"] * 2
        # An id is what it is known by: with one nothing is looked for.
        for state in ("created", "unchanged"):
            said = await typed(home, *create, "--id", "universe:own")
            assert f"universe:own: {state}" in said.output
        third = await typed(home, "universe", "create", "meadow nine")
        assert third.exit_code == 0, "another name"


async def test_what_to_type_next_names_it_as_one_word(alice: Alice) -> None:
    """As an id of another program may be anything on one line."""
    id = "my world; echo $(id)"
    async with shown(alice) as home:
        made = await typed(home, "universe", "create", "Meadow", "--public", "--id", id)
        assert f"panspermia universe snapshot '{id}' FILE" in made.output
        record = f"universe/{id}"
        gone = await typed(home, "delete", record)
        assert f"`panspermia delete '{record}' --undo` brings it back" in gone.output
