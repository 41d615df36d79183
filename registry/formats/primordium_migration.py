"""MigrateEntity: a genome on its way from one world of Primordium to another.

```
{"type": "MigrateEntity", "payload": {"migration_id": uuid, "dna": hex, "energy": f32,
 "generation": u32, "species_name", "fingerprint", "checksum"}}
```
The checksum is SHA-256 of the trimmed hex, energy as f32 and generation as u32, both big-endian.
The fingerprint is that of the settings of a world, opaque to us: a world takes only its own.
"""

import hashlib
import math
import struct
import uuid
from collections.abc import Mapping
from dataclasses import replace

from registry.formats.errors import NoConversion, WrongChecksum
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Reader, parse, write
from registry.formats.primordium import found_of, genotype_json
from registry.formats.texts import line_of, text_of
from registry.formats.words import Format

TYPE = "MigrateEntity"
OPTIONS = ("energy", "generation", "species_name", "fingerprint", "migration_id")
ENERGY = "100.0"  # where nobody says how much the traveller has


def read_migration(data: bytes, file: str) -> tuple[Found, ...]:
    """The traveller's genome: its bytes are the characters of `dna`.

    Raises `InvalidFile`; of these `WrongChecksum` where the checksum is of something else.
    """
    message = Reader(parse(text_of(data, file), file), file)
    if message.text("type") != TYPE:
        raise message.wrong("type", f"must be {TYPE}")
    payload = message.inside("payload")
    id = payload.text("migration_id")
    if not is_uuid(id):
        raise payload.wrong("migration_id", "is no UUID")
    dna, generation = payload.text("dna"), payload.whole("generation", bits=32)
    energy = payload.number("energy")
    told = payload.text("checksum")
    if not is_f32(energy):
        raise payload.wrong("energy", "must be a finite f32")
    if checksum(dna, energy, generation) != told.lower():
        wrong = payload.wrong("checksum", "is not that of dna, energy and generation")
        raise WrongChecksum(wrong.file, wrong.place, wrong.reason_text)
    try:
        genome = dna.encode("ascii")
    except UnicodeEncodeError as error:
        raise payload.wrong("dna", "must be hex") from error
    found = found_of(genome, genotype_json(genome, file), Format.PRIMORDIUM_GENOTYPE, file)
    species = line_of(payload.text("species_name", ""))
    fields: dict[str, Scalar] = {
        "migration_id": id,
        "energy": energy,
        "generation": generation,
        "species": species,
    }
    fields["fingerprint"] = line_of(payload.text("fingerprint", ""), 128)
    return (replace(found, name=species or found.name, fields={**found.fields, **fields}),)


def write_migration(dna: str, options: Mapping[str, str]) -> bytes:
    """A message that a world takes whose fingerprint is among `options`.

    Raises `NoConversion` where an option is none that could be meant.
    """
    energy, generation = options.get("energy", ENERGY), options.get("generation", "0")
    try:
        if not is_f32(float(energy)) or not 0 <= int(generation) < 1 << 32:
            raise ValueError
    except ValueError:
        raise NoConversion("energy must be an f32 and generation a u32") from None
    hexed = dna.strip()
    sum = checksum(hexed, float(energy), int(generation))
    made = str(uuid.uuid5(uuid.NAMESPACE_OID, sum))  # the same traveller, the same id
    id = options.get("migration_id", made)
    if not is_uuid(id):
        raise NoConversion("migration_id must be a UUID")
    payload = {
        "migration_id": id,
        "dna": hexed,
        "energy": float(energy),
        "generation": int(generation),
        "species_name": options.get("species_name", ""),
        "fingerprint": options.get("fingerprint", ""),
        "checksum": sum,
    }
    return write({"type": TYPE, "payload": payload}).encode() + b"\n"


def checksum(dna: str, energy: float, generation: int) -> str:
    tail = struct.pack(">fI", energy, generation)
    return hashlib.sha256(dna.strip().encode() + tail).hexdigest()


def is_f32(number: float) -> bool:
    try:
        struct.pack(">f", number)
    except (OverflowError, struct.error):
        return False
    return math.isfinite(number)


def is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
