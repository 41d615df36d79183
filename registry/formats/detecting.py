"""Which format a file has: by what it begins with, and by its name only where that says nothing.

A look at the beginning, never a full reading: what is then wrong in the file, its reader says.
"""

import codecs
import re
from collections.abc import Callable
from typing import Final

from registry.formats.pickles import reads_as_pickle
from registry.formats.texts import BOM, OTHER_BOMS, head_of
from registry.formats.words import Format

HEAD_BYTES = 1 << 20

_PICKLE_NAMES = (".pkl", ".pickle", ".p")
_SQLITE = b"SQLite format 3\0"

_HEX = re.compile(rb"[0-9a-fA-F]+\s*\Z")
_HEX_OBJECT = re.compile(rb"7[bB]")  # `{`
# Possessive all over: whatever a file holds, a look at it is linear.
_RLE = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?+\n)*+[ \t]*+x[ \t]*+=[ \t]*+[0-9]", re.IGNORECASE)
_CELLS = re.compile(r"(?:!.*+\n)*+(?:[.O*]*+[ \t]*+\n)*+[.O*]*+[ \t]*+\Z")
_TOML_WORLD = re.compile(
    r"^\[(?:world|metabolism|evolution|brain|social|terraform|ecosystem)\]|^target_fps\s*=",
    re.MULTILINE,
)
_CONFIG_KEYS = ("world", "metabolism", "evolution", "social", "terraform", "ecosystem")

# What the text holds, in this order: the first whose words are all there.
_IN_JSON: Final[tuple[tuple[Format, tuple[str, ...]], ...]] = (
    (Format.PRIMORDIUM_MIGRATION, (r'"MigrateEntity"',)),
    (Format.PRIMORDIUM_LINEAGES, (r'\A\s*\{\s*"lineages"\s*:',)),
    (Format.PRIMORDIUM_LEGENDS, (r'\A\s*\{\s*"fossils"\s*:',)),
    (Format.PRIMORDIUM_LEGENDS, (r'"(?:death|birth)_tick"\s*:', r'"genotype"\s*:')),
    (Format.PRIMORDIUM_JSON, (r'"brain"\s*:', r'"(?:lineage_id|sensing_range)"\s*:')),
    (Format.NEAT_NETWORK, (r'"network_type"\s*:', r'"(?:topology|connections)"\s*:')),
    (Format.BIBITES, (r'"[sS]ynapses"\s*:', r'"(?:genes|nodes|Nodes|speciesName)"\s*:')),
    (Format.LENIA, (r'"code"\s*:', r'"(?:cells|cname|params)"\s*:')),
)

_BY_NAME: Final[tuple[tuple[str, Format], ...]] = (
    (".rle", Format.RLE),
    (".mc", Format.MACROCELL),
    (".cells", Format.CELLS),
    (".bb8template", Format.BIBITES),
    (".bb8", Format.BIBITES),
    ("config.toml", Format.PRIMORDIUM_CONFIG),
    ("legends.json", Format.PRIMORDIUM_LEGENDS),
    ("fossils.json", Format.PRIMORDIUM_LEGENDS),
    ("lineages.json", Format.PRIMORDIUM_LINEAGES),
    ("animals.json", Format.LENIA),
)


def detect(name: str, data: bytes) -> Format:
    """Never an error: what nothing is known of is `Format.UNKNOWN`."""
    head = head_of(data, HEAD_BYTES)
    name = name.lower().removesuffix(".gz")
    if is_pickle(name, data):
        return Format.PICKLE
    if head.startswith(_SQLITE):
        return Format.PRIMORDIUM_REGISTRY
    bare = head.removeprefix(BOM).strip()
    if bare.startswith(b"20|"):
        return Format.PRIMORDIUM_HEXDNA2
    if _HEX_OBJECT.match(bare) and _HEX.match(bare):
        return Format.PRIMORDIUM_GENOTYPE
    text = _decoded(head, bare).replace("\r\n", "\n").replace("\r", "\n")
    found = next((format for look in _LOOKS if (format := look(text, name))), None)
    if found:
        return found
    return next((format for end, format in _BY_NAME if name.endswith(end)), Format.UNKNOWN)


def is_pickle(name: str, data: bytes) -> bool:
    """By its instructions, which are only read; `data` may also be packed.

    The name counts where the bytes are no text: a pickle may be packed in a way that nothing here
    unpacks.
    """
    head = head_of(data, HEAD_BYTES)
    if reads_as_pickle(head, is_cut=len(head) == HEAD_BYTES):
        return True
    return name.endswith(_PICKLE_NAMES) and not _is_text(head)


def _decoded(head: bytes, bare: bytes) -> str:
    """As UTF-16 where it says so: its reader then says that it should be UTF-8."""
    if any(head.startswith(bom) for bom in OTHER_BOMS):
        return head.decode("utf-16", "replace").strip()
    return bare.decode("utf-8", "replace")


def _is_text(head: bytes) -> bool:
    """As far as it goes: the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _by_first_line(text: str, _: str) -> Format | None:
    first = text[:40].lower()
    if first.startswith("[m2]"):
        return Format.MACROCELL
    if first.startswith("#life 1.05"):
        return Format.LIFE_105
    if first.startswith("#life 1.06"):
        return Format.LIFE_106
    return None


def _by_json(text: str, _: str) -> Format | None:
    if not text.startswith(("{", "[", '"')):
        return None
    for format, words in _IN_JSON:
        if all(re.search(word, text) for word in words):
            return format
    if not text.startswith("{"):
        return None
    known = sum(f'"{key}"' in text for key in _CONFIG_KEYS)
    has_rate = '"target_fps"' in text and known >= 1
    return Format.PRIMORDIUM_CONFIG_JSON if has_rate or known >= 3 else None


def _by_toml(text: str, name: str) -> Format | None:
    is_toml = name.endswith(".toml") or not text.startswith(("#N", "#C", "x"))
    found = {match[0] for match in _TOML_WORLD.finditer(text)} if is_toml else ()
    return Format.PRIMORDIUM_CONFIG if len(found) >= 2 else None


def _by_pattern(text: str, name: str) -> Format | None:
    if _RLE.match(text):
        return Format.RLE
    is_cells = text.startswith(("!Name", "!name")) or name.endswith(".cells")
    return Format.CELLS if is_cells and _CELLS.match(text) else None


_LOOKS: Final[tuple[Callable[[str, str], Format | None], ...]] = (
    _by_first_line,
    _by_json,
    _by_pattern,
    _by_toml,
)
