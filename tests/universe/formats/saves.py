"""SaveFiles of ai_village, in the layout of its program; all made here."""

import hashlib
import json
from typing import Any

SAVED_MS = 1_768_200_000_000
SCHEMAS = "https://aivillage.dev/schemas"


def sum_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def universe_part(id: str, tick: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    entities = [
        {
            "id": f"entity-{one}",
            "components": [{"type": "position", "data": {"x": one + 0.5, "y": 2e-07, "ä": "\n"}}],
        }
        for one in range(3)
    ]
    world: dict[str, Any] = {"terrain": None, "zones": []}
    return {
        "$schema": f"{SCHEMAS}/universe/v1",
        "identity": {"id": id, "name": id[9:].title(), "createdAt": SAVED_MS},
        "time": {"universeId": id, "universeTick": str(tick), "day": 2, "timeOfDay": 6.5},
        "config": {},
        "entities": entities,
        "worldState": world,
        "checksums": {
            "entities": sum_of(entities),
            "components": sum_of([each for one in entities for each in one["components"]]),
            "worldState": sum_of(world),
        },
        **more,
    }


def save(*universes: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    multiverse = {"$version": 1, "time": {"absoluteTick": "9001"}, "config": {}}
    whole = {
        "$schema": f"{SCHEMAS}/savefile/v1",
        "$version": 1,
        "header": {"name": "by hand", "lastSavedAt": SAVED_MS, "screenshot": "A" * 1_100_000},
        "multiverse": multiverse,
        "universes": [*universes],
        "passages": [],
        "player": {"gold": 3},
        **more,
    }
    return {
        **whole,
        "checksums": {
            "overall": sum_of(whole),
            "universes": {one["identity"]["id"]: sum_of(one) for one in universes},
            "multiverse": sum_of(multiverse),
        },
    }
