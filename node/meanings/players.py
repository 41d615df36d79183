"""What the codes about players mean: rows of `node.meanings`, (means, do)."""

from collections.abc import Mapping
from typing import Final

PLAYERS: Final[Mapping[str, tuple[str, str]]] = {
    "unknown-player": (
        "No player of that id is known here.",
        "`panspermia player list` shows those that are; `panspermia sync` may bring more.",
    ),
    "ambiguous-player": (
        "Several authors whom nobody here knows say they are the player of that id.",
        "`candidates` names them: give one in full, or call its author by a name of your own.",
    ),
}
