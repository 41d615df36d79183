"""`read`: the items of a file, by the reader of its format."""

from collections.abc import Callable, Mapping
from typing import Final

from registry.errors import quoted
from registry.formats.bibites import read_bibite
from registry.formats.cells import read_cells, read_life105, read_life106
from registry.formats.detecting import is_pickle
from registry.formats.errors import InvalidFile, Place, UnknownFormat
from registry.formats.found import Found
from registry.formats.lenia import read_lenia
from registry.formats.limits import ITEM_BYTES_MAX, ITEMS_MAX
from registry.formats.macrocell import read_macrocell
from registry.formats.neat import read_neat
from registry.formats.primordium import read_genotype, read_hexdna2, read_json
from registry.formats.primordium_logs import read_legends, read_lineages
from registry.formats.primordium_migration import read_migration
from registry.formats.primordium_world import read_config, read_config_json
from registry.formats.rle import read_rle
from registry.formats.texts import check_size, name_of
from registry.formats.words import Format

Reader = Callable[[bytes, str], tuple[Found, ...]]

PICKLED = (
    "is a Python pickle, which runs as a program when it is opened, so nothing here opens or"
    " publishes one; export what is in it instead: a neat-python network with"
    " neat.export.export_network_json (neat-python 2.0), anything else as JSON or text"
)
TABLES = (
    "is a SQLite file: its tables are read in a process of their own, by `panspermia publish` and"
    " `panspermia convert` from a file"
)


def format_of(word: str) -> Format:
    """Raises `UnknownFormat` with the words there are."""
    try:
        return Format(word)
    except ValueError:
        known = ", ".join(each for each in Format if each not in (Format.PICKLE, Format.UNKNOWN))
        raise UnknownFormat(f"{quoted(word)} is no format; there are: {known}") from None


def read(format: Format, data: bytes, name: str = "") -> tuple[Found, ...]:
    """The items of a file in the order in which they stand there, at least one.

    `name` is the file's, for names of items that have none and for errors. All or nothing: a file
    with one broken item raises `InvalidFile`. `Format.UNKNOWN` gives the file as one genome,
    whatever it is (but never a pickle).
    """
    check_size(data, name)
    if format is Format.PICKLE or is_pickle(name.lower(), data):
        raise InvalidFile(name, Place(), PICKLED)
    if format is Format.PRIMORDIUM_REGISTRY:
        raise InvalidFile(name, Place(), TABLES)
    found = READERS[format](data, name)
    if not found:
        raise InvalidFile(name, Place(), "holds nothing to publish")
    if len(found) > ITEMS_MAX:
        reason = f"{len(found):,} items, at most {ITEMS_MAX:,}; cut the file in parts"
        raise InvalidFile(name, Place(), reason)
    for each in found:
        if len(each.data) > ITEM_BYTES_MAX:
            raise InvalidFile(name, each.place, f"one item of more than {ITEM_BYTES_MAX:,} bytes")
    return found


def read_unknown(data: bytes, file: str) -> tuple[Found, ...]:
    if not data:
        raise InvalidFile(file, Place(), "is empty")
    return (Found(kind="genome", format=Format.UNKNOWN, data=data, name=name_of(file)),)


READERS: Final[Mapping[Format, Reader]] = {
    Format.PRIMORDIUM_GENOTYPE: read_genotype,
    Format.PRIMORDIUM_HEXDNA2: read_hexdna2,
    Format.PRIMORDIUM_JSON: read_json,
    Format.PRIMORDIUM_CONFIG: read_config,
    Format.PRIMORDIUM_CONFIG_JSON: read_config_json,
    Format.PRIMORDIUM_LEGENDS: read_legends,
    Format.PRIMORDIUM_LINEAGES: read_lineages,
    Format.PRIMORDIUM_MIGRATION: read_migration,
    Format.LENIA: read_lenia,
    Format.RLE: read_rle,
    Format.MACROCELL: read_macrocell,
    Format.CELLS: read_cells,
    Format.LIFE_105: read_life105,
    Format.LIFE_106: read_life106,
    Format.NEAT_NETWORK: read_neat,
    Format.BIBITES: read_bibite,
    Format.UNKNOWN: read_unknown,
}
