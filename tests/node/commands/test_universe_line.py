"""How a timeline reads on a terminal."""

from node.commands.petnames import Petnames
from node.commands.universe_line import draw_timeline
from node.failure import Json

BOB, CAROL = (f"did:key:z6Mk{name * 44}" for name in ("b", "c"))
CALLED = Petnames({"bob": BOB})


def travelled(kind: str, word: str, other: str = BOB, **more: str) -> Json:
    return {
        "tick": 7, "type": f"passage:{kind}", "word": word, "title": "fox …", "souls": ["fox"],
        "description": "", "hasSnapshot": False, "other": f"{other}/universe:reef",
    } | more  # fmt: skip


def lines(*entries: Json, is_whole: bool = False) -> list[str]:
    return [line for line, _ in draw_timeline(entries, CALLED, is_whole=is_whole)]


def test_who_left_and_came_stands_between_what_happened() -> None:
    saved = {"tick": 1_000, "type": "auto", "word": "autosave", "hasSnapshot": True, "fileSize": 9}
    assert lines(
        travelled("departure", "left"),
        travelled("refusal", "refused", description="no room"),
        travelled("return", "came back"),
        saved,
    ) == [
        "    7  →  left       fox · bob/universe:reef",
        "    7  ×  refused    fox · bob/universe:reef · no room",
        "    7  ←  came back  fox · bob/universe:reef",
        "1,000  ●  autosave   9 B",
    ]


def test_what_a_stranger_wrote_moves_no_cursor() -> None:
    (line,) = lines(travelled("arrival", "arrived", CAROL, description="\x1b[2J"))
    assert "\x1b" not in line
    assert "cccccc/universe:reef" in line


def test_autosaves_in_a_row_are_one_line() -> None:
    saved = [
        {"tick": tick, "type": "auto", "word": "autosave", "hasSnapshot": True, "fileSize": 9}
        for tick in range(10)
    ]
    assert [line.split("  ")[-1] for line in lines(*saved)] == [
        "9 B", "8 autosaves up to tick 8", "9 B",
    ]  # fmt: skip
    assert len(lines(*saved, is_whole=True)) == 10
