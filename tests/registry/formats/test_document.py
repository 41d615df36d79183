"""docs/formats.md names every format and every conversion, as the code has them."""

import re
from pathlib import Path

from registry.formats import CONVERSIONS, TITLES, Format

TEXT = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z0-9.-]+)` \| (.*) \|$", re.MULTILINE)


def test_every_format_and_every_way_is_in_the_document() -> None:
    rows = ROW.findall(TEXT)
    formats = {word: rest for word, rest in rows if not rest.startswith("`")}
    shown = {each for each in Format if each not in (Format.PICKLE, Format.UNKNOWN)}
    assert formats == {each.value: TITLES[each] for each in shown}
    ways = [(word, rest) for word, rest in rows if rest.startswith("`")]
    assert ways == [
        (way.source.value, f"`{way.target}` | {way.loses or 'nothing'}") for way in CONVERSIONS
    ]
