"""The demo's world: what the modules make of it is what Life makes of it, computed here."""

from node.demo import folders
from node.demo.dishes import DISH_BYTES, DISHES, Dishes, living
from registry.manifest import parse_manifest
from tests.node.demo.test_modules import SIZE, World, generations, soup


def bundled() -> Dishes:
    modules: dict[str, bytes] = {}
    for folder in folders():
        manifest = parse_manifest((folder / "gen.toml").read_text())
        modules[manifest.id] = (folder / manifest.wasm).read_bytes()
    return Dishes(modules)


def as_bytes(world: World) -> bytes:
    return bytes((cell % SIZE, cell // SIZE) in world for cell in range(DISH_BYTES))


def test_each_dish_is_a_world_of_its_own() -> None:
    dishes = bundled()
    state = dishes.poured()
    later = dishes.after(dishes.after(state, 3), 4)
    assert len(state) == len(later) == DISHES * DISH_BYTES
    for seed in (1, DISHES):
        place = slice((seed - 1) * DISH_BYTES, seed * DISH_BYTES)
        first = soup(seed)
        assert state[place] == as_bytes(first)
        assert later[place] == as_bytes(generations(first, 7))
    assert living(later) == sum(map(living, (later[:DISH_BYTES], later[DISH_BYTES:])))
    assert dishes.after(state, 7) == later
