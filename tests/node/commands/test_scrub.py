"""What `scrub` says."""

from node.commands.upkeep import scrub_lines
from node.failure import Json

BOB = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
READ: Json = {
    "bytes": 3 << 20, "parts": 0, "blobs": [], "left_off": 0, "mended": 0, "damaged": 0,
    "dry_run": False,
}  # fmt: skip


def blob(letter: str, state: str, why: str = "") -> Json:
    of = [
        {"kind": "universe", "name": f"{BOB}/universe:main", "tick": 1200},
        {"kind": "file", "name": "a\x1b[2Jb", "tick": None},
    ]
    return {"id": letter * 64, "size": 2048, "of": of, "state": state, "why": why}


def test_a_sound_store_has_one_line() -> None:
    assert scrub_lines(READ) == ["read 3.0 MiB: every part is what it was"]


def test_what_came_back_and_what_nobody_has_is_told_with_what_it_belongs_to() -> None:
    lone: Json = {**blob("b", "damaged", "nobody gave it\x07"), "of": []}
    some: list[Json] = [blob("a", "mended"), lone]
    first, mended, lost, why, *rest = scrub_lines(
        {**READ, "parts": 3, "blobs": some, "mended": 1, "damaged": 1}
    )
    assert first == "read 3.0 MiB: 3 parts are damaged"
    assert mended.startswith(f"mended  {'a' * 64}  2.0 KiB, of universe z6Mkha")
    assert "/universe:main at tick 1,200, file a" in mended
    assert lost == f"damaged  {'b' * 64}  2.0 KiB, of nothing that is listed"
    assert why.startswith("  nobody gave it")
    assert not any("\x1b" in line or "\x07" in line for line in (mended, why))
    assert rest == [
        "1 blob is whole again",
        "1 blob stays damaged: no connected peer gave it",
        "Connect to somebody who has it, then: panspermia scrub",
    ]


def test_what_an_earlier_one_dropped_is_not_said_to_be_what_it_was() -> None:
    for state, ending in (("mended", "1 blob is whole again"), ("damaged", "1 blob stays damaged")):
        first, shown, *rest = scrub_lines({**READ, "blobs": [blob("a", state)], state: 1})
        assert first == (
            "read 3.0 MiB: every part that is here is what it was;"
            " some that were damaged before were missing"
        )
        assert shown.startswith(state)
        assert rest[0].startswith(ending)


def test_a_dry_run_says_that_it_changed_nothing() -> None:
    many = {**READ, "parts": 1, "blobs": [blob("a", "damaged")], "left_off": 1_200}
    lines = scrub_lines({**many, "damaged": 1_201, "dry_run": True})
    assert lines[0] == "read 3.0 MiB: 1 part is damaged"
    assert lines[-2:] == ["and 1,200 more", "1,201 blobs are damaged; nothing was changed"]
