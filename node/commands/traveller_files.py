"""The file that a traveller is: what goes, what was taken out, and the name of its journey."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import click

from node.exit_codes import NOT_FOUND, UNVERIFIED
from node.failure import Failure, Json, failed, failure
from node.text import printable

TRAVELLER_BYTES_MAX = 8 << 20  # `universe.receipts` takes no more


class MigrationId(click.ParamType[str]):
    """Names a journey: 32 hex digits, or a UUID as games write it."""

    name = "MIGRATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return uuid.UUID(value).hex
        except ValueError:
            self.fail(f"{printable(value)!r} is no migration: 32 hex digits", param, ctx)


MIGRATION = MigrationId()


def too_large(file: str, size: int) -> Failure:
    detail = f"{printable(file)} has {size:,} bytes; a traveller at most {TRAVELLER_BYTES_MAX:,}"
    return failed("traveller-too-large", "Traveller too large", detail)


def checked(found: Sequence[Json], migration: str, data: bytes) -> Json:
    """The traveller whose bytes these are. Raises `Failure`."""
    from crdt.digest import payload_digest

    if not found:
        detail = f"nobody left through this passage under {migration}"
        raise failure("unknown-migration", "No such traveller", detail, NOT_FOUND)
    hash = payload_digest(data).hex()
    for one in found:
        if (one["size"], one["hash"]) == (len(data), hash):
            return one
    detail = f"its receipts say {found[0]['hash']}; the node gave bytes of {hash}"
    raise failure("hash-mismatch", "Other bytes than those that left", detail, UNVERIFIED)
