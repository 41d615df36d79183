"""Small files of every format, for tests and as seeds of fuzz doors; and where large ones are."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from registry.formats.primordium_migration import write_migration
from registry.formats.words import Format

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
GOLLY = Path("/usr/share/golly/Patterns")

DNA = (SAMPLES / "exported_dna_synthetic.txt").read_bytes()
ANIMALS = (SAMPLES / "animals_excerpt.json").read_bytes()
FOUND = (SAMPLES / "found_excerpt.json").read_bytes()
CONFIG = (SAMPLES / "config.example.toml").read_bytes()
XOR = (SAMPLES / "xor_network.json").read_bytes()

LINEAGE = "7f3a2c1e-0000-4000-8000-000000000001"
# Numbers as serde_json writes f32, which no Python float would write so again.
SMALL: dict[str, Any] = json.loads(bytes.fromhex(DNA.decode()))
SMALL["brain"]["nodes"] = SMALL["brain"]["nodes"][10:18]
SMALL["brain"]["connections"] = [
    {"from": 10, "to": 17, "weight": -1.5, "enabled": True, "innovation": 1},
    {"from": 17, "to": 12, "weight": 0.25, "enabled": False, "innovation": 2},
]
SMALL["lineage_id"] = LINEAGE
GENOTYPE_JSON = json.dumps(SMALL, separators=(",", ":")).replace("0.25", "0.20000000298023224")
GENOTYPE = GENOTYPE_JSON.encode().hex().encode()

WIKI = {
    "version": "2.0",
    "brain": {
        "topology": {
            "nodes": [
                {"id": 0, "layer": "input", "activation": "tanh"},
                {"id": 21, "layer": "hidden", "activation": "relu"},
                {"id": 22, "layer": "output", "activation": "sigmoid"},
            ],
            "connections": [
                {"src": 0, "dst": 21, "weight": 0.5, "enabled": True},
                {"src": 21, "dst": 22, "weight": -0.3, "enabled": False},
            ],
        },
        "biases": [0.0, 0.1, 0.2],
    },
    "phenotype": {"sensing_range": 7.5, "max_speed": 1.80, "max_energy": 350.0,
                  "metabolic_niche": 0.65, "trophic_potential": 0.3},
    "life_history": {"reproductive_investment": 0.6, "maturity_gene": 1.2,
                     "mate_preference": 0.45, "pairing_bias": 0.7},
    "metadata": {"lineage_id": "7f3a2c1e", "generation": 42},
}  # fmt: skip
_WIKI_RAW = json.dumps(WIKI).encode()
HEXDNA2 = b"20|" + _WIKI_RAW.hex().encode()
HEXDNA2_CHECKED = HEXDNA2 + zlib.crc32(_WIKI_RAW).to_bytes(4, "little").hex().encode()

MIGRATION = write_migration(
    GENOTYPE.decode(), {"energy": "100.1", "generation": "5", "species_name": "Wanderer"}
)


def legend(id: int, parent: int | None) -> str:
    fields = {"id": f"id-{id}", "parent_id": None if parent is None else f"id-{parent}"}
    numbers = {"birth_tick": id, "death_tick": 900 + id, "generation": id, "offspring_count": 3}
    rest = {"lineage_id": LINEAGE, **numbers, "peak_energy": 12.5, "color_rgb": [1, 2, 3]}
    text = json.dumps({**fields, **rest}, separators=(",", ":"))
    return f'{text[:-1]},"genotype":{GENOTYPE_JSON}}}'


LEGENDS = f"{legend(1, None)}\n{legend(2, 1)}\n".encode()
FOSSILS = (
    f'{{"fossils": [{{"lineage_id":"{LINEAGE}","name":"Old ones","extinct_tick":77,'
    f'"total_offspring":5,"max_generation":9,"genotype":{GENOTYPE_JSON}}}]}}'
).encode()
LINEAGES = (
    f'{{\n  "lineages": {{\n    "{LINEAGE}": {{"id":"{LINEAGE}","name":"Lineage-7f3a",'
    f'"first_appearance_tick":7,"is_extinct":false,"civilization_level":3,"peak_population":60,'
    f'"max_fitness_genotype": {GENOTYPE_JSON}}},\n    "other~/one": {{"name":"Short",'
    f'"first_appearance_tick":1,"is_extinct":true,"civilization_level":0,'
    f'"max_fitness_genotype":null}}\n  }}\n}}'
).encode()
CONFIG_JSON = b'{"target_fps":60,"world":{"width":100,"height":50,"seed":7},"social":{"a":0.10}}'

CELLS = b"!Name: Glider\n!Author: Richard K. Guy\n!The smallest ship.\n.O\n..O\nOOO\n"
LIFE_105 = b"#Life 1.05\r\n#D Acorn\r\n#R 23/3\r\n#P -3 -1\r\n.*\r\n...*\r\n**..***\r\n"
LIFE_106 = b"#Life 1.06\n0 -1\n1 0\n-1 1\n0 1\n1 1\n"
MACROCELL = b"[M2] (golly 3.3)\n#R B3/S23\n#G 12\n#C A glider.\n.*$..*$***$$$$$\n4 0 0 0 1\n"
MACROCELL_STATES = b"[M2] (golly 3.3)\n#R WireWorld\n1 0 1 2 3\n2 0 0 0 1\n3 2 0 0 2\n"

BIBITE = json.dumps(
    {
        "name": "Basic",
        "speciesName": "Basicus",
        "description": "A first one.\u000bIt eats.",
        "generation": 4,
        "version": "0.6.1a4",
        "somethingNew": {"a": [1, 2]},
        "nodes": [
            {"Type": 0, "Index": 0, "Inov": 1, "Desc": "EnergyRatio", "baseActivation": 0},
            {"Type": 3, "Index": 32, "Inov": 2, "Desc": "Accelerate", "baseActivation": 0.5},
            {"Type": "2", "Index": 48, "Inov": 3, "Desc": "Hidden0"},
        ],
        "synapses": [
            {"Inov": 1, "NodeIn": 0, "NodeOut": 48, "Weight": "1.5", "En": True},
            {"Inov": 2, "NodeIn": 48, "NodeOut": 32, "Weight": -2, "En": False},
        ],
        "genes": {"Diet": 0.1, "SizeRatio": "1.25"},
    }
).encode()

OF_FORMAT: dict[Format, tuple[bytes, ...]] = {
    Format.PRIMORDIUM_GENOTYPE: (DNA, GENOTYPE),
    Format.PRIMORDIUM_HEXDNA2: (HEXDNA2, HEXDNA2_CHECKED, b"20|" + GENOTYPE),
    Format.PRIMORDIUM_JSON: (GENOTYPE_JSON.encode(),),
    Format.PRIMORDIUM_CONFIG: (CONFIG,),
    Format.PRIMORDIUM_CONFIG_JSON: (CONFIG_JSON,),
    Format.PRIMORDIUM_LEGENDS: (LEGENDS, FOSSILS),
    Format.PRIMORDIUM_LINEAGES: (LINEAGES,),
    Format.PRIMORDIUM_MIGRATION: (MIGRATION,),
    Format.LENIA: (ANIMALS, FOUND),
    Format.MACROCELL: (MACROCELL, MACROCELL_STATES),
    Format.CELLS: (CELLS,),
    Format.LIFE_105: (LIFE_105,),
    Format.LIFE_106: (LIFE_106,),
    Format.NEAT_NETWORK: (XOR,),
    Format.BIBITES: (BIBITE,),
}


def samples(name: str) -> Path:
    """A folder of real files that are not in the repository, or skip."""
    named = os.environ.get("PANSPERMIA_SAMPLES")
    root = Path(__file__).parents[3]
    folder = Path(named) if named else root.parent / "shared" / "samples"
    if not (folder / name).is_dir():
        pytest.skip(f"no samples at {folder / name}; name their folder in PANSPERMIA_SAMPLES")
    return folder / name
