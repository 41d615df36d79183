"""Fields of a stranger's JSON that are claims only: taken where they can be, told where not."""

import json
from collections.abc import Mapping
from typing import Any, Final

from registry.fields import TIME_US_MAX
from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import escaped, parse
from registry.formats.texts import line_of, text_of
from registry.head import line_problem
from registry.plain import as_map
from universe.formats.halves import whole_characters
from universe.formats.imported import About, Report
from universe.formats.limits import CONFIG_BYTES_MAX

TICK_MAX: Final = (1 << 63) - 1
OWNER_CHARACTERS_MAX: Final = 128
Plain = Mapping[str, Any]


class Claims:
    """The fields of one object; `place` is the pointer to it in `file`."""

    def __init__(self, fields: Plain, file: str, pointer: str, report: Report) -> None:
        self.fields, self.file, self.pointer, self.report = fields, file, pointer, report

    def at(self, key: str) -> Place:
        return Place(pointer=f"{self.pointer}/{escaped(key)}")

    def doubt(self, key: str, reason: str, about: About = About.CLAIM) -> None:
        self.report.tell(about, self.file, reason, self.at(key))

    def whole(self, key: str, most: int = TICK_MAX) -> int | None:
        """A number that is not negative, of JSON or in a text, as bigints are; None without one."""
        value = self.fields.get(key)
        if value is None:
            return None
        found = whole_of(value, most)
        if found is None:
            self.doubt(key, f"is no whole number from 0 to {most}")
        return found

    def time_us(self, key: str) -> int:
        """µs, of ms; 0 without one."""
        return (self.whole(key, TIME_US_MAX // 1_000) or 0) * 1_000

    def line(self, key: str, characters_max: int) -> str:
        """One line that can be shown; "" without one."""
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.doubt(key, "is no text")
            return ""
        return line_of(value, characters_max)

    def exact(self, key: str, characters_max: int) -> str:
        """The same as it was written, where it may be: whoever wrote it had it so."""
        value = self.fields.get(key)
        if isinstance(value, str) and value.strip() and not line_problem(value, characters_max):
            return value
        return self.line(key, characters_max)

    def inside(self, key: str) -> "Claims | None":
        value = self.fields.get(key)
        if value is None:
            return None
        found = as_map(value)
        if found is None:
            self.doubt(key, "is no object")
            return None
        return Claims(found, self.file, f"{self.pointer}/{escaped(key)}", self.report)

    def config(self, key: str) -> str:
        """JSON of an object, "" without one."""
        value = self.fields.get(key)
        if not value:
            return ""
        if as_map(value) is None:
            self.doubt(key, "is no object")
            return ""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > CONFIG_BYTES_MAX:
            self.doubt(key, f"more than {CONFIG_BYTES_MAX:,} bytes of settings", About.LEFT)
            return ""
        return text


def whole_of(value: object, most: int = TICK_MAX) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and isinstance(value, int) and 0 <= value <= most else None


def object_in(data: bytes, path: str) -> Plain:
    """Of JSON that is an object; half of a character in it is U+FFFD. Raises `InvalidFile`."""
    value = as_map(parse(text_of(whole_characters(data), path), path))
    if value is None:
        raise InvalidFile(path, Place(), "must be a JSON object")
    return value
