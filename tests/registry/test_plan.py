import msgspec

from registry.plan import Moved, Placed, Plan, needed_by, new_imports, plan
from registry.resolver import resolve
from registry.versions import Version
from tests.registry.indexes import index_of

INDEX = index_of(
    {
        "dice 1.0.0": {"chance": "^1"},
        "dice 2.0.0": {"chance": "^2", "map": "*"},
        "chance 1.0.0": {},
        "chance 2.0.0": {},
        "map 1.0.0": {},
        "coins 1.0.0": {},
    }
)


def installed(**versions: str) -> dict[str, Version]:
    return {id: Version.parse(version) for id, version in versions.items()}


def test_a_first_installation_adds_all() -> None:
    found = plan({}, resolve(INDEX, {"dice": "^1"}))
    assert found == Plan(add=(Placed("chance", "1.0.0"), Placed("dice", "1.0.0")))


def test_an_update_moves_adds_keeps_and_removes() -> None:
    before = installed(dice="1.0.0", chance="1.0.0", coins="1.0.0", old="1.0.0")
    found = plan(before, resolve(INDEX, {"dice": "^2", "coins": "*"}))
    assert found == Plan(
        add=(Placed("map", "1.0.0"),),
        upgrade=(Moved("chance", "1.0.0", "2.0.0"), Moved("dice", "1.0.0", "2.0.0")),
        keep=(Placed("coins", "1.0.0"),),
        remove=(Placed("old", "1.0.0"),),
    )
    assert not found.changes_nothing
    assert msgspec.to_builtins(found.upgrade[1]) == {"id": "dice", "from": "1.0.0", "to": "2.0.0"}


def test_a_downgrade_is_called_one() -> None:
    found = plan(
        installed(dice="2.0.0", chance="2.0.0", map="1.0.0"), resolve(INDEX, {"dice": "1"})
    )
    assert [move.id for move in found.downgrade] == ["chance", "dice"]
    assert found.remove == (Placed("map", "1.0.0"),)


def test_a_release_is_an_upgrade_of_its_own_pre_release() -> None:
    index = index_of({"dice 2.0.0-rc.1": {}, "dice 2.0.0": {}})
    up = plan(installed(dice="2.0.0-rc.1"), resolve(index, {"dice": "2.0.0"}))
    assert up == Plan(upgrade=(Moved("dice", "2.0.0-rc.1", "2.0.0"),))
    down = plan(installed(dice="2.0.0"), resolve(index, {"dice": "2.0.0-rc.1"}))
    assert down == Plan(downgrade=(Moved("dice", "2.0.0", "2.0.0-rc.1"),))


def test_the_same_again_changes_nothing() -> None:
    before = installed(dice="1.0.0", chance="1.0.0")
    assert plan(before, resolve(INDEX, {"dice": "^1"})).changes_nothing


def test_what_an_update_newly_asks_of_the_host_is_shown() -> None:
    before, after = ["env.memory"], ["env.memory", "wasi.fd_read", "org.example.chance.roll"]
    assert new_imports(before, after, ["org.example.chance"]) == ("wasi.fd_read",)
    assert new_imports(None, before, []) == ("env.memory",)
    assert new_imports(after, before, []) == ()


def test_what_others_need_is_not_removed_under_them() -> None:
    needs = {"dice": ["chance"], "coins": ["chance"], "chance": []}
    assert needed_by(needs, ["chance"]) == {"chance": ("coins", "dice")}
    assert needed_by(needs, ["dice"]) == {}
    assert needed_by(needs, ["dice", "coins", "chance"]) == {}
