"""Lenia's animals: animals.json, and files of found ones, one to a line.

```
[{"code": ">1", "name": "class: Exokernel"},                 a heading: what follows belongs to it
 {"code": "O2u", "name": "Orbium unicaudatus", "cname": "球虫(單尾)",
  "params": {"R": 13, "T": 10, "b": "1", "m": 0.15, "s": 0.015, "kn": 1, "gn": 1},
  "cells": "7.MD6.qL$6.pKqEq…!"}]
```
`params` is a list where there are several kernels, `cells` where there are several channels. Cells
are RLE of 256 states. Between the animals of a found file stand empty lines and remarks in quotes.
"""

from collections.abc import Iterator, Mapping

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Part, Reader, sequence
from registry.formats.limits import DRAWN_CELLS_MAX, ITEMS_MAX
from registry.formats.patterns import Pattern, Runs, bounds_of
from registry.formats.rle import STATES_MAX, read_runs
from registry.formats.texts import Lines, line_of, name_of, prose_of, tags_of, text_of
from registry.formats.words import Format
from registry.plain import as_list, as_map

CHANNELS_MAX = 16
KERNELS_MAX = 256
RADIUS_MAX = 10_000  # of a kernel, in cells; the animals of Lenia's own have 2 to 41
RANKS = 9  # of headings: class, order, family, subfamily, …
_PARAMETERS = ("R", "T", "m", "s", "kn", "gn")


def read_lenia(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile`."""
    text = text_of(data, file)
    headings: dict[int, str] = {}
    found: list[Found] = []
    lines = Lines(text)
    for number, part in enumerate(sequence(text, file)):
        if isinstance(part.value, str):
            continue  # a remark
        reader = Reader(part.value, file, f"/{number}")
        code = reader.text("code", "")
        if code.startswith(">"):
            _head(headings, code, reader.text("name", ""))
            continue
        found.append(_animal(text, part, reader, headings, len(found) + 1, lines))
        if len(found) > ITEMS_MAX:
            raise InvalidFile(file, Place(), f"more than {ITEMS_MAX:,} animals")
    return tuple(found)


def channels_of(reader: Reader) -> tuple[Pattern, ...]:
    """The cells of each channel; states 0 to 255."""
    if isinstance(reader.map.get("cells"), str):
        texts = [reader.text("cells")]
    else:
        texts = [str(each) for each in reader.items("cells", CHANNELS_MAX)]
    patterns: list[Pattern] = []
    for cells in texts:
        runs = Runs(reader.file, cells)
        try:
            read_runs(cells, 0, runs, reader.file, _no_remark, STATES_MAX)
        except InvalidFile as error:
            at = error.place.column
            raise reader.wrong("cells", f"character {at}: {error.reason_text}") from error
        patterns.append(Pattern(runs.in_order(), rule="Lenia"))
    return tuple(patterns)


def _animal(
    text: str, part: Part, reader: Reader, headings: Mapping[int, str], number: int, lines: Lines
) -> Found:
    kernels = _kernels(reader)
    channels = channels_of(reader)
    boxes = [bounds_of(each) for each in channels]
    for box in boxes:
        if box.width * box.height > DRAWN_CELLS_MAX:
            size = f"{box.width:,} × {box.height:,} cells"
            raise reader.wrong("cells", f"{size}, of at most {DRAWN_CELLS_MAX:,}: Lenia keeps each")
    fields: dict[str, Scalar] = {
        "kernels": len(kernels),
        "channels": len(channels),
        "width": max((box.width for box in boxes), default=0),
        "height": max((box.height for box in boxes), default=0),
        "population": sum(each.population for each in channels),
        "code": line_of(reader.text("code", "")),
    }
    if len(kernels) == 1:
        fields |= {key: kernels[0].number(key) for key in _PARAMETERS if key in kernels[0].map}
        fields["b"] = line_of(str(kernels[0].map.get("b", "")))
    cname = line_of(reader.text("cname", ""))
    ranks = [heading for _, heading in sorted(headings.items())]
    name = line_of(reader.text("name", ""))
    return Found(
        kind="genome",
        format=Format.LENIA,
        data=text[part.start : part.end].encode(),
        place=lines.place(part.start),
        name=name or f"{name_of(reader.file)} {number}",
        description=prose_of(" · ".join(each for each in (cname, *ranks) if each)),
        tags=tags_of("lenia", *(each.partition(": ")[2] or each for each in ranks)),
        fields=fields,
    )


def _kernels(reader: Reader) -> list[Reader]:
    """The parameters of each kernel, checked to be numbers where they are shown."""
    if as_list(reader.map.get("params")) is not None:
        kernels = [*reader.objects("params", KERNELS_MAX)]
    else:
        kernels = [reader.inside("params")]
    if not kernels:
        raise reader.wrong("params", "must have at least one kernel")
    for kernel in kernels:
        for key in ("R", "m", "s"):
            kernel.number(key)
        if not 0 < kernel.number("R") <= RADIUS_MAX:
            raise kernel.wrong(
                "R", f"must be above 0 and at most {RADIUS_MAX:,}: no world is larger"
            )
    return kernels


def _head(headings: dict[int, str], code: str, name: str) -> None:
    """`>2` ends what `>2`, `>3`, … said before."""
    rank = code[1:]
    if not (rank.isascii() and rank.isdigit()) or len(rank) > 1:  # int() reads no ²
        return
    for lower in range(int(rank), RANKS + 1):
        headings.pop(lower, None)
    headings[int(rank)] = line_of(name)


def _no_remark(_: str) -> None:
    """Nothing in the cells of an animal is for people."""


def animals(text: str, file: str) -> Iterator[Reader]:
    """Those with cells, of a text that `read_lenia` took."""
    for number, part in enumerate(sequence(text, file)):
        fields = as_map(part.value)
        if fields is not None and "cells" in fields:
            yield Reader(fields, file, f"/{number}")
