"""The demo's living part: a genome and a seed go from node to node, and so does a signed result.

alice publishes both → she runs the bundled evaluator of the genome and signs the result → bob finds
them, fetches them byte for byte, sees her word, and runs the same again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.client import Client, path_of
from node.commands.nodes import wait_for
from node.failure import Json, failed

EVALUATOR: Final = "io.panspermia.life-score"
TICKS: Final = 1_000
# Diehard is gone after 130 generations, and nothing is a cycle of one: long known, and
# what the Life of `tests/node/demo/life.py` gives, which is no module.
SCORE: Final = 130 * 10**11 + 10**7
ARRIVE_S: Final = 30.0
EVALUATION_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Creature:
    """What was published: its name is that of its bytes."""

    kind: str
    id: str
    name: str
    data: bytes


def check(held: bool, what: str, found: object) -> None:
    """A step that does not hold ends the demo."""
    if not held:
        raise failed("demo-failed", what, f"Found: {found}")


def publish_creatures(alice: Client) -> list[Creature]:
    from node.commands.publish_life import read_items
    from node.demo import creature_files
    from node.found_files import body_of
    from registry.formats import identity_of

    published: list[Creature] = []
    for file in creature_files():
        (item,) = read_items(file, None).found
        answer = alice.post(f"/api/registry/{item.kind}s", body_of(file.name, item))
        expected = identity_of(file.read_bytes())
        check(answer["id"] == expected, f"{file.name} is named by other bytes", answer["id"])
        published.append(Creature(item.kind, expected, item.name, item.data))
    kinds = [one.kind for one in published]
    check(kinds == ["genome", "seed"], "They are of other kinds", kinds)
    return published


def attest(node: Client, genome: Creature) -> Json:
    """The evaluation, run on this node and signed by it."""
    answer = node.post(
        attestations(genome), {"with": EVALUATOR, "ticks": TICKS}, timeout_s=EVALUATION_S
    )
    found = (answer["ending"], answer["result"], answer["claimed"])
    check(found == ("result", SCORE, False), f"{genome.name} scores something else", found)
    check(not answer["judgement"]["contradictions"], "Somebody says something else", answer)
    return answer


def attestations(genome: Creature) -> str:
    return path_of("/api/registry/genomes", genome.id, "attestations")


def fetch(bob: Client, creatures: list[Creature]) -> int:
    """Each is found by its name and comes byte for byte; how many bytes."""
    for one in creatures:

        def look(one: Creature = one) -> Json | None:
            page = bob.get("/api/search", {"q": one.name, "kind": one.kind})
            return next((hit for hit in page["results"] if hit["id"].endswith(one.id)), None)

        wait_for(f"the search to find {one.name}", ARRIVE_S, look)
        data = bob.get_bytes(path_of(f"/api/registry/{one.kind}s", one.id, "download"))
        check(data == one.data, f"{one.name} came as other bytes", len(data))
    return sum(len(one.data) for one in creatures)


def hear(bob: Client, genome: Creature, author: str) -> Json:
    """What `author` says of the genome, once it is at bob's."""

    def look() -> Json | None:
        said = bob.get(attestations(genome))["evaluations"]
        words = [word for one in said for word in one["words"] if word["author"] == author]
        return words[0] if words else None

    word = wait_for("the attestation to reach bob", ARRIVE_S, look)
    found = (word["result"], word["claimed"], word["trusted"])
    check(found == (SCORE, False, False), "The other's word is not what was signed", word)
    return word


def confirm(bob: Client, genome: Creature, author: str) -> Json:
    """bob runs it himself: now it is verified, and the other said the same."""
    answer = attest(bob, genome)
    judgement = answer["judgement"]
    check(judgement["state"] == "verified", "His own run does not count", judgement["state"])
    same = {word["author"] for word in judgement["words"] if word["result"] == SCORE}
    check(author in same and len(same) == 2, "They do not say the same", judgement["words"])
    ranked = bob.get("/api/registry/genomes", {"sort_by": "attested"})["genomes"]
    check(bool(ranked) and ranked[0]["id"] == genome.id, "It does not rank", ranked)
    return answer
