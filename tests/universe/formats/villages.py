"""What an ai_village server leaves on its disk, in the layout of its program; all made here."""

from typing import Any

from tests.universe.formats.memory import as_json, packed

SECOND_MS = 1_768_000_000_000


def state(tick: int, creatures: int = 3) -> bytes:
    """A snapshot: the JSON of a SaveFile in the smallest that is one."""
    entities = [{"id": f"entity-{one}", "at": [one, tick]} for one in range(creatures)]
    return as_json({"$version": 1, "tick": str(tick), "entities": entities})


def entry(tick: int, saved: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A line of a timeline; `saved` seconds after the first."""
    return {
        "tick": tick,
        "timestamp": SECOND_MS + saved * 1_000,
        "day": 1,
        "type": "auto",
        "fileSize": 7,
        "checksum": "-4f451bdb",
        "filename": f"{tick}.json.gz",
        **more,
    }


def metadata(id: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "id": id,
        "name": id.removeprefix("universe:").title(),
        "ownerId": "player:1",
        "createdAt": SECOND_MS,
        "lastSnapshotAt": SECOND_MS,
        "snapshotCount": 0,
        "canonicalEventCount": 0,
        "isPublic": True,
        **more,
    }


def village(
    id: str,
    entries: list[dict[str, Any]],
    states: dict[str, bytes],
    *,
    folder: str | None = None,
    **more: Any,  # noqa: ANN401 - JSON
) -> dict[str, bytes]:
    """The files of one universe; `states` by their names below `snapshots/`."""
    place = f"universes/{id if folder is None else folder}"
    timeline = {"universeId": id, "snapshots": entries, "lastUpdated": SECOND_MS}
    return {
        f"{place}/metadata.json": as_json(metadata(id, **more)),
        f"{place}/timeline.json": as_json(timeline),
        **{f"{place}/snapshots/{name}": packed(data) for name, data in states.items()},
    }
