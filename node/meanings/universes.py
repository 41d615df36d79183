"""What the codes about universes and their snapshots mean: rows of `node.meanings`, (means, do)."""

from collections.abc import Mapping
from typing import Final

UNIVERSES: Final[Mapping[str, tuple[str, str]]] = {
    "ambiguous-universe": (
        "Several universes have this id, and none of them, or more than one, is yours.",
        "`candidates` are their full names: write one of them, with `%2F` for the slash; or say in"
        " which `namespace` it lies.",
    ),
    "universe-elsewhere": (
        "A universe of yours has this id already, for other readers. Who could read it once may"
        " have kept it: public is never made private.",
        "To change its words, or to bring more into it, say the `visibility` that it has, with"
        " `universe import` as --visibility; for other readers fork it, or take another id.",
    ),
    "universe-exists": (
        "A fork is a universe of its own, and you have one of that id already.",
        "Take another id for the fork, or leave it out.",
    ),
    "same-name": (
        "A universe of yours is called so already, and nothing was made.",
        "Say its `--id` to change it, or `--again` for another one of that name.",
    ),
    "same-event": (
        "An event of this tick, type, title and names was told before with something else beside"
        " it, and nothing was told: events are for good.",
        "`--again` tells it as one more event.",
    ),
    "needs-namespace": (
        "A shared universe lies in the namespace of those who may read it; public and private ones"
        " lie where all such lie.",
        "Send `namespace` with a shared one, and with no other.",
    ),
    "unknown-snapshot": (
        "The universe has no snapshot at that tick, or of that id.",
        "`GET /api/universe/{id}/snapshots` lists them; `?nearest=true` takes the one before.",
    ),
    "bad-tick": (
        "A tick is missing, or is no whole number from 0 to 2^63 - 1.",
        "Send `?tick=1200`, or `tick` in a JSON body.",
    ),
    "bad-snapshot-id": (
        "The id of a snapshot is 64 lower-case hex digits.",
        "Take it as the upload or the list gave it.",
    ),
    "snapshot-damaged": (
        "The disk lost a part of this snapshot, and nobody who is connected gives it again.",
        "Connect to somebody who has it, then: panspermia scrub",
    ),
    "bad-checksum": (
        "A checksum is the BLAKE3 of the plain bytes, 64 hex digits.",
        "Compute it over the snapshot before it is compressed, or leave it out.",
    ),
    "checksum-mismatch": (
        "The bytes that came are not those that the checksum names. Nothing was stored.",
        "Send them again; if it happens again, the file was damaged before.",
    ),
    "bad-encoding": (
        "The body is not the gzip or zstd that it was said to be, or ends in the middle.",
        "Compress it anew, or send it without `Content-Encoding`.",
    ),
    "swells-too-much": (
        "What came is compressed so far that it may be a bomb. Nothing was stored.",
        "Send the snapshot as it is, without compressing it.",
    ),
    "empty-body": ("A snapshot has one byte at least.", "Send its bytes as the body."),
    "cut-off": (
        "The sender went away in the middle of a body, or sent it too slowly. Nothing was stored.",
        "Send it again.",
    ),
    "bad-media-type": (
        "The Content-Type is none that could be sent back.",
        "Send one such as `application/json`, or none.",
    ),
    "universe-full": (
        "A universe has room for so many snapshots, events and receipts. Nothing was stored.",
        "Let old snapshots go: panspermia universe prune --rule RULE. Then send it again. Where the"
        " events are too many, go on in a fork.",
    ),
    "snapshot-not-kept": (
        "The snapshot was signed and is not shown: the universe is full, or was changed just then.",
        "Let old snapshots go, and send it again.",
    ),
    "not-a-world": (
        "What lies there is no world of a program that is known, or cannot be read.",
        "docs/formats.md says what is; `--format` says it where it is not seen.",
    ),
    "not-one-universe": (
        "`--id` gives a name to one universe, and there is none, or there are several.",
        "Import them without `--id`, or name the folder of one.",
    ),
    "nothing-exported": (
        "The format that was asked for has no place for any of the snapshots; nothing was written.",
        "`--format raw` takes them all.",
    ),
    "same-universe-id": (
        "Universes of several authors with one id have no room in the folder of one server.",
        "Export each into a folder of its own, or all with another `--format`.",
    ),
    "partly-imported": (
        "Some of what is there is damaged, leads out of its folder, or was refused.",
        "`problems` and `refused` say what, where and why. The rest is imported.",
    ),
}
