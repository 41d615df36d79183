"""How a proof that a key was used in two places is checked and printed, without a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.commands.console import print_json, say, wants_json
from node.exit_codes import UNVERIFIED
from node.failure import Json, failure
from node.text import printable

if TYPE_CHECKING:
    from crdt.change import CheckedEntry

BEGINNING = b"PSE1"
FILE_BYTES_MAX = 1 << 20
"""More than any proof has, in hex too."""


def proof_in(what: str) -> bytes | None:
    """The bytes of a proof, of a file or in hex; None for anything that does not begin so."""
    data = what.encode("utf-8", "replace")
    try:
        path = Path(what)
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX)
    except (OSError, ValueError):  # a long code is no name of a file
        pass
    if data.startswith(BEGINNING):
        return data
    text = "".join(data.decode("utf-8", "replace").split()).lower()
    try:
        return bytes.fromhex(text) if text.startswith(BEGINNING.hex()) else None
    except ValueError:
        return None


def print_proof(data: bytes) -> None:
    """What it proves. Raises `Failure` (`proof-fails`) where it proves nothing."""
    found = read_proof(data)
    if wants_json():
        return print_json("cap", found)
    say(printable(found["words"]), bold=True)
    for one in found["entries"]:
        say("  ok    ", fg="green", nl=False)
        say(f"{one['entry'][:16]}  {one['signed_at']}, {printable(one['what'])}")
        say(f"        {printable(one['right'])}", dim=True)
    return None


def read_proof(data: bytes) -> Json:
    """The proof, checked. Raises `Failure` as above."""
    from crdt.capability import CapabilityCache
    from crdt.did import encode_did_key
    from crdt.equivocation import check_proof
    from crdt.errors import CrdtError
    from node.words import record_text

    try:
        found = check_proof(data, CapabilityCache())
    except CrdtError as error:
        raise failure("proof-fails", "It proves nothing", str(error), UNVERIFIED) from error
    key, record = encode_did_key(found.key), record_text(found.document)
    return {
        "words": f"{key} signed two different things with the number {found.seq} in {record}:"
        " it was used in two places",
        "key": key,
        "namespace": encode_did_key(found.document.namespace),
        "record": record,
        "seq": found.seq,
        "entries": [entry_json(one) for one in found.entries],
    }


def entry_json(one: CheckedEntry) -> dict[str, Any]:
    from crdt.entry import unix_us_from_tai
    from node.words import capability_words, moment

    return {
        "entry": one.id.hex(),
        "signed_at": moment(unix_us_from_tai(one.signed.entry.timestamp)),
        "what": what_it_says(one),
        "right": capability_words(one.capability, {}),
    }


def what_it_says(one: CheckedEntry) -> str:
    """`revokes did:key:…`, or which change it carries."""
    from crdt.did import encode_did_key
    from crdt.statement import Revoke, Unrevoke

    match one.statement:
        case Revoke(key):
            return f"revokes {encode_did_key(key)}"
        case Unrevoke(revocation):
            return f"takes back the revocation {revocation.hex()}"
        case None:
            return f"carries the change {one.change.hash.hex()}"
        case other:
            return f"says a {type(other).__name__.lower()}"
