from registry.module_index import ModuleIndex
from registry.publication import yank
from registry.resolver import resolve
from registry.versions import Version
from tests.registry.people import ALICE_DID, BOB_DID, DICE, Record, dice_document

NEEDS = f"""
[dependencies]
"org.example.chance" = "^1.0"
"{BOB_DID}/org.example.map" = {{ version = "*", optional = true }}
"""
CHANCE = f"{ALICE_DID}/org.example.chance"


def dice(extra: str) -> Record:
    record = Record(dice_document())
    record.publish("1.0.0", extra=extra)
    return record


def test_what_is_needed_is_asked_for_until_all_is_known() -> None:
    index = ModuleIndex([dice(NEEDS).module])
    assert index.unloaded() == (CHANCE,)  # and not what is optional
    index.add_missing(CHANCE)
    assert index.unloaded() == ()
    assert index.versions(CHANCE) == ()
    one = Version.parse("1.0.0")
    assert index.versions(str(DICE)) == (one,)
    assert index.dependencies(str(DICE), one) == {CHANCE: "^1.0"}
    assert index.release(str(DICE), one).version == "1.0.0"


def test_the_resolver_asks_it() -> None:
    record = dice("")
    record.publish("1.1.0")
    record.edit(yank("1.1.0", ""))
    index = ModuleIndex([record.module])
    yanked = {str(one.version): one.is_yanked for one in index.offers(str(DICE))}
    assert yanked == {"1.0.0": False, "1.1.0": True}
    resolution = resolve(index, {str(DICE): "^1"})
    assert str(resolution.versions[str(DICE)]) == "1.0.0"
