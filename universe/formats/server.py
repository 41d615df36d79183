"""What an ai_village server keeps beside its universes, to be written out.

```
passages/<id>.json                    one passage, and index.json: {"passages": [ids]}
players/<id>/profile.json             a player, beside it universes.json; and index.json likewise
```
"""

from collections.abc import Sequence

from universe.formats.ai_village import INDEX, PASSAGES, PLAYERS
from universe.formats.between import list_json, passage_json, player_json
from universe.formats.imported import ImportedPassage, ImportedPlayer
from universe.formats.leaving import OutUniverse
from universe.formats.out import as_text, folder_of


def server_files(universes: Sequence[OutUniverse], *, is_escaped: bool = False) -> dict[str, bytes]:
    """By their paths; each passage and player once. Nothing where there is none of them."""
    passages = {one.id: one for each in universes for one in each.passages}
    players = {one.id: one for each in universes for one in each.players}
    files: dict[str, bytes] = {}
    for passage in passages.values():
        name = folder_of(passage.id, is_escaped)
        name = name if f"{name}.json" != INDEX else f"%{ord(name[0]):02X}{name[1:]}"
        files[f"{PASSAGES}/{name}.json"] = _passage(passage)
    for player in players.values():
        folder = f"{PLAYERS}/{folder_of(player.id, is_escaped)}"
        files |= {f"{folder}/{name}": data for name, data in _player(player).items()}
    for name, ids in ((PASSAGES, passages), (PLAYERS, players)):
        if ids:
            files[f"{name}/{INDEX}"] = as_text({name: [*ids]})
    return files


def _passage(one: ImportedPassage) -> bytes:
    return as_text(passage_json(one))


def _player(one: ImportedPlayer) -> dict[str, bytes]:
    return {"profile.json": as_text(player_json(one)), "universes.json": as_text(list_json(one))}
