"""What Prometheus is told, in its text format: of each metric what it counts, its type, its value.

    # HELP panspermia_entries Entries that are held.
    # TYPE panspermia_entries gauge
    panspermia_entries 12

A counter only grows, until the process ends; a gauge goes both ways.
Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from node._version import __version__
from p2p.protocol.relay.server import Relay
from storage.relayed import RelayHeld

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
TOTAL: Final = "_total"
"""The end of a counter's name."""
HELP: Final[Mapping[str, str]] = {
    "uptime_seconds": "Since the node started.",
    "peers_connected": "Peers with a session.",
    "entries": "Entries that are held.",
    "documents": "Documents that are held.",
    "blobs": "Blobs that are held.",
    "blob_bytes": "Bytes of the blobs that are held.",
    "kept_blobs": "Blobs that are kept only because records name them.",
    "kept_bytes": "Bytes of these.",
    "kept_bytes_max": "The budget for these.",
    "kept_waiting": "Blobs that records name, that are to be kept and are not here.",
    "refused_total": "Entries, requests and command lines that were refused.",
    "left_out": "Changes that are held and do not count.",
    "strangers_bytes": "Bytes of authors whom nobody here follows.",
    "kept_out": "Entries that were evicted or refused for want of room, as far as remembered.",
    "index_behind": "Changed documents that search does not know yet.",
    "received_bytes": "In the sessions that stand now.",
    "sent_bytes": "In the sessions that stand now.",
    "relays_registered": "Relays at which this node is registered.",
    "relay_registered": "Devices that are registered at this relay.",
    "relay_circuits": "Circuits, those awaited included.",
    "relay_circuits_open": "Circuits that are open.",
    "relay_draining": "1 while the relay is about to stop.",
    "relay_circuit_bytes_total": "Bytes that went through circuits.",
    "relay_registrations_total": "Registrations, renewals included.",
    "relay_calls_total": "Circuits that were asked for.",
    "relay_lookups_total": "Cards that were asked for.",
    "relay_signals_total": "Signals that were to be passed on.",
    "relay_letters_total": "Letters that were left.",
    "relay_letters_delivered_total": "Letters that were handed out.",
    "relay_posts_total": "Posts that were left.",
    "relay_refused_total": "Questions that were answered with a refusal.",
    "relay_wrong_tokens_total": "Registrations with a wrong token.",
    "relay_cards": "Cards that are remembered.",
    "relay_posts": "Posts that lie here.",
    "relay_letters": "Letters that wait for their receivers.",
    "relay_letter_bytes": "Bytes of the letters that wait.",
    "records": "Records that are held, by kind.",
    "info": "The version of this node.",
}


def relay_metrics(relay: Relay, passed_bytes: int, held: RelayHeld) -> dict[str, float]:
    """What a relay does, and what it keeps of others; `passed_bytes` went through circuits."""
    counts = relay.counts
    return {
        "relay_registered": relay.registered_count,
        "relay_circuits": relay.circuits.count,
        "relay_circuits_open": relay.circuits.open_count,
        "relay_draining": int(relay.is_draining),
        "relay_circuit_bytes_total": passed_bytes,
        "relay_registrations_total": counts.registrations,
        "relay_calls_total": counts.calls,
        "relay_lookups_total": counts.lookups,
        "relay_signals_total": counts.signals,
        "relay_letters_total": counts.letters,
        "relay_letters_delivered_total": counts.delivered,
        "relay_posts_total": counts.posts,
        "relay_refused_total": counts.refused,
        "relay_wrong_tokens_total": counts.wrong_tokens,
        "relay_cards": held.cards,
        "relay_posts": held.posts,
        "relay_letters": held.letters,
        "relay_letter_bytes": held.letter_bytes,
    }


def exposed(values: Mapping[str, float], records: Mapping[str, int]) -> str:
    """The page of `/metrics`: `values` by names of `HELP`, and `records` by kind."""
    lines = [line for name, value in values.items() for line in _metric(name, {"": value})]
    kinds = {f'{{kind="{k}"}}': count for k, count in sorted(records.items()) if k.isidentifier()}
    lines += _metric("records", kinds)
    lines += _metric("info", {f'{{version="{__version__}"}}': 1})
    return "\n".join(lines) + "\n"


def _metric(name: str, samples: Mapping[str, float]) -> Iterator[str]:
    """`samples`: labels -> value."""
    yield f"# HELP panspermia_{name} {HELP[name]}"
    yield f"# TYPE panspermia_{name} {'counter' if name.endswith(TOTAL) else 'gauge'}"
    yield from (f"panspermia_{name}{labels} {value}" for labels, value in samples.items())
