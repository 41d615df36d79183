"""The words for the formats, and what people call them."""

from enum import StrEnum
from typing import Final, Literal

Kind = Literal["genome", "seed", "lineage"]
"""What an item of a file is published as."""


class Format(StrEnum):
    """Kept in records and said on the command line: a word never changes its meaning."""

    PRIMORDIUM_GENOTYPE = "primordium-genotype"
    PRIMORDIUM_HEXDNA2 = "primordium-hexdna2"
    PRIMORDIUM_JSON = "primordium-json"
    PRIMORDIUM_CONFIG = "primordium-config"
    PRIMORDIUM_CONFIG_JSON = "primordium-config-json"
    PRIMORDIUM_LEGENDS = "primordium-legends"
    PRIMORDIUM_LINEAGES = "primordium-lineages"
    PRIMORDIUM_REGISTRY = "primordium-registry"
    PRIMORDIUM_MIGRATION = "primordium-migration"
    LENIA = "lenia"
    RLE = "rle"
    MACROCELL = "macrocell"
    CELLS = "cells"
    LIFE_105 = "life-1.05"
    LIFE_106 = "life-1.06"
    NEAT_NETWORK = "neat-network"
    BIBITES = "bibites"
    PICKLE = "pickle"  # recognised so that it can be refused
    UNKNOWN = "unknown"


TITLES: Final[dict[Format, str]] = {
    Format.PRIMORDIUM_GENOTYPE: "Primordium genotype: hex of JSON, as the program writes it",
    Format.PRIMORDIUM_HEXDNA2: "Primordium HexDNA 2.0: `20|` and hex, as its wiki describes it",
    Format.PRIMORDIUM_JSON: "Primordium genotype as JSON that people can read",
    Format.PRIMORDIUM_CONFIG: "Primordium world settings: config.toml",
    Format.PRIMORDIUM_CONFIG_JSON: "Primordium world settings as JSON, as its registry takes them",
    Format.PRIMORDIUM_LEGENDS: "Primordium legends.json and fossils.json(.gz)",
    Format.PRIMORDIUM_LINEAGES: "Primordium lineages.json(.gz)",
    Format.PRIMORDIUM_REGISTRY: "Primordium registry.db, a SQLite file",
    Format.PRIMORDIUM_MIGRATION: "Primordium MigrateEntity, a genome on its way between worlds",
    Format.LENIA: "Lenia animals: animals.json, or one to a line",
    Format.RLE: "Golly and LifeWiki RLE patterns",
    Format.MACROCELL: "Golly macrocell patterns (.mc, .mc.gz)",
    Format.CELLS: "Plaintext patterns (.cells)",
    Format.LIFE_105: "Life 1.05 patterns (.lif)",
    Format.LIFE_106: "Life 1.06 patterns (.lif, .life)",
    Format.NEAT_NETWORK: "neat-python network JSON, format_version 1.0",
    Format.BIBITES: "Bibites templates (.bb8template, .bb8)",
    Format.PICKLE: "Python pickles, which are programs: never read",
    Format.UNKNOWN: "any other file, kept as it is",
}

ENDINGS: Final[dict[Format, str]] = {
    Format.PRIMORDIUM_GENOTYPE: ".txt",
    Format.PRIMORDIUM_HEXDNA2: ".txt",
    Format.PRIMORDIUM_JSON: ".json",
    Format.PRIMORDIUM_CONFIG: ".toml",
    Format.PRIMORDIUM_CONFIG_JSON: ".json",
    Format.PRIMORDIUM_LEGENDS: ".json",
    Format.PRIMORDIUM_LINEAGES: ".json",
    Format.PRIMORDIUM_REGISTRY: ".db",
    Format.PRIMORDIUM_MIGRATION: ".json",
    Format.LENIA: ".json",
    Format.RLE: ".rle",
    Format.MACROCELL: ".mc",
    Format.CELLS: ".cells",
    Format.LIFE_105: ".lif",
    Format.LIFE_106: ".lif",
    Format.NEAT_NETWORK: ".json",
    Format.BIBITES: ".bb8template",
}
"""How a file of each is named where nobody says otherwise."""
