"""Genomes, seeds and lineages between two real nodes, and a client of the Galactic Federation."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Shell, StartNode
from tests.registry.life import CONFIG, LINEAGE_ID

pytestmark = pytest.mark.nodes

GLIDER = (
    b"#N Glider\n#O Richard K. Guy\n#C The smallest spaceship.\n"
    b"x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
)
LINEAGES = {
    "lineages": {
        LINEAGE_ID: {
            "id": LINEAGE_ID, "name": "The walkers", "civilization_level": 5, "is_extinct": False,
            "first_appearance_tick": 10,
        }
    }
}  # fmt: skip
BLOB = bytes(range(256)) * 300


def folder_of(path: Path) -> Path:
    (path / "inner").mkdir(parents=True)
    (path / "glider.rle").write_bytes(GLIDER)
    (path / "inner" / "again.rle").write_bytes(GLIDER)
    (path / "config.toml").write_bytes(CONFIG + b"[metabolism]\n")
    (path / "broken.rle").write_bytes(b"x = 3, y = 3\nbob$2bo$3q!\n")
    (path / "notes.txt").write_text("nothing of that kind")
    (path / "lineages.json").write_text(json.dumps(LINEAGES))
    return path


def they_challenge_each_other(alice: LocalNode, bob: LocalNode, shell: Shell, glider: str) -> None:
    """Bob calls for a challenge, alice enters the glider, and bob, who follows her, sees it."""
    shell(bob, "name", "set", "alice", alice.did)
    terms = ("--with", "io.panspermia.life-score", "--deadline", "+1h", "--seeds", "1..3")
    called = shell(bob, "challenge", "create", "Longest life", *terms, "--ticks", "50").answer
    id = called["id"]
    assert called["schema"] == "panspermia.challenge/1"

    def known() -> bool | None:
        found = alice.client.get("/api/challenges")["challenges"]
        return True if [one["id"] for one in found] == [id] else None

    wait_for("alice to know the challenge", ARRIVE_S, known)
    entered = shell(alice, "challenge", "enter", id[:13], glider.rpartition("/")[2][:12])
    assert entered.code == 0, entered.err
    assert [one["event"] for one in entered.lines] == ["progress"] * 3 + ["result"]

    def verified() -> Json | None:
        found = bob.client.get(f"/api/challenges/{id}/standing")["entrants"]
        return found[0] if found and found[0]["place"] else None

    one = wait_for("bob to see alice's entry", ARRIVE_S, verified)
    assert (one["name"], one["total"]) == ("Glider", entered.answer["total"])
    assert (one["entered_by"], one["witnesses"]) == ([alice.did], [alice.did])
    shown = shell(bob, "challenge", "show", id).answer
    assert shown["standing"]["entrants"] == [one]
    schema = {"schema": "panspermia.info/1", "kind": "challenge"}
    assert shell(bob, "info", id[:13]).answer == shown | schema, "search and lists name it so"
    assert shell(bob, "info", id, "--trends").code == 2
    judge = shell(bob, "info", "io.panspermia.life-score").answer
    assert (judge["bundled"], judge["blake3"]) == (True, shown["evaluator"])
    assert "An evaluator (`eval/1`) of patterns" in judge["readme"]
    (found,) = shell(bob, "search", "longest", "--kind", "challenge").answer["results"]
    assert found["name"] == "Longest life"
    assert shell(alice, "challenge", "delete", id).code == 4
    assert shell(alice, "challenge", "enter", id, glider, "--undo").code == 0
    assert shell(bob, "challenge", "list", "--open").answer["challenges"][0]["id"] == id
    assert shell(bob, "challenge", "delete", id).code == 0
    assert shell(bob, "challenge", "show", id).code == 5


def call(api: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """As the original client does: plain HTTP, JSON, no token."""
    connection = http.client.HTTPConnection(api.removeprefix("http://"), timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_what_alice_publishes_bob_finds_rates_and_fetches_byte_for_byte(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    folder = folder_of(tmp_path / "patterns")

    dry = shell(alice, "publish", str(folder), "--dry-run")
    assert dry.code == 1
    done = shell(alice, "publish", str(folder))
    assert (done.code, done.answer["code"]) == (1, "some-refused"), done
    published = [
        (Path(one["file"]).name, one["kind"], one["state"]) for one in done.answer["published"]
    ]
    assert published == [
        ("config.toml", "seed", "published"), ("glider.rle", "genome", "published"),
        ("again.rle", "genome", "known"), ("lineages.json", "lineage", "published"),
    ]  # fmt: skip
    (refused,) = done.answer["refused"]
    assert (Path(refused["file"]).name, refused["code"]) == ("broken.rle", "invalid-file")
    assert "line 2" in refused["place"]
    assert [Path(one).name for one in done.answer["skipped"]] == ["notes.txt"]

    blob = tmp_path / "creature.bin"
    blob.write_bytes(BLOB)
    assert shell(alice, "publish", str(blob)).code == 5
    creature = shell(
        alice, "publish", str(blob), "--kind", "genome", "--name", "Creature", "--tag", "odd"
    ).answer
    assert (creature["state"], creature["format"]) == ("published", "unknown")
    line = {"id": LINEAGE_ID, "civilization_level": 5, "name": "The walkers"}
    api = str(alice.ready["api"])
    assert call(api, "POST", "/api/registry/lineages", line)[0] == 401

    def arrived() -> bool | None:
        genomes = bob.client.get("/api/registry/genomes")["genomes"]
        return True if len(genomes) == 2 else None

    wait_for("bob to know both genomes", ARRIVE_S, arrived)

    def searched() -> Json | None:
        """What comes from others is found a moment after it is listed."""
        found = shell(bob, "search", "spaceship", "--kind", "genome").answer["results"]
        return found[0] if len(found) == 1 else None

    glider = wait_for("bob to find the glider", ARRIVE_S, searched)["id"]
    info = shell(bob, "info", glider).answer
    assert (info["kind"], info["name"], info["author"]) == ("genome", "Glider", "Richard K. Guy")
    assert info["genotype"].encode() == GLIDER
    assert bob.client.get_bytes(info["picture"]).startswith(b"<svg ")
    assert (info["lineage"], info["attestations"]) == (None, [])
    assert shell(bob, "rate", glider, "5", "--review", "flies").answer["average"] == 5.0
    short = glider.rpartition("/")[2][:16]  # as lists show it
    assert shell(bob, "info", short).answer["rating"]["count"] == 1
    assert shell(bob, "rate", short, "--clear").code == 0
    assert shell(bob, "info", glider).answer["rating"]["count"] == 0
    assert shell(bob, "rate", short, "5", "--review", "flies").code == 0
    rated = shell(bob, "info", LINEAGE_ID, "--kind", "lineage", "--trends").answer
    assert (rated["kind"], rated["points"][-1]["ratings"]) == ("lineage", 0)
    assert shell(bob, "info", LINEAGE_ID, "--trends").answer["id"] == rated["id"], "by its UUID"
    assert shell(bob, "info", glider.rpartition("/")[2][:7]).code == 2
    checked = shell(bob, "verify", short).answer
    assert (checked["ok"], checked["kind"], len(checked["checks"])) == (True, "genome", 2)
    assert shell(bob, "verify", str(blob)).code == 2, "files are none"
    unknown = shell(bob, "fetch", "deadbeef", "-o", str(tmp_path / "none"))
    assert (unknown.code, unknown.answer["code"]) == (5, "unknown-record")
    trend = shell(bob, "info", glider, "--trends", "--step", "day").answer
    lately = trend["points"][-2:]  # it may be tomorrow by now
    assert [one["average"] for one in lately if one["ratings"]] == [5.0]
    assert sum(one["ratings"] for one in lately) == 1
    for id, data in ((glider, GLIDER), (short, GLIDER), (creature["id"], BLOB)):
        out = tmp_path / "fetched"
        assert shell(bob, "fetch", id, "-o", str(out), "--force").code == 0
        assert out.read_bytes() == data
    seeds = shell(bob, "list", "--kind", "seed").answer["seeds"]
    pages = list[str]()
    more: tuple[str, ...] = ()
    while not pages or more:
        page = shell(bob, "list", "--kind", "genome", "--limit", "1", *more).answer
        pages += [one["name"] for one in page["genomes"]]
        more = ("--cursor", page["next"]) if page["next"] else ()
    assert sorted(pages) == ["Creature", "Glider"]
    odd = shell(bob, "list", "--kind", "genome", "--tag", "odd").answer["genomes"]
    assert [one["name"] for one in odd] == ["Creature"]
    assert shell(bob, "list", "--tag", "odd").code == 2, "of modules, the installed ones"
    assert [one["config"].encode() for one in seeds] == [CONFIG + b"[metabolism]\n"]

    they_challenge_each_other(alice, bob, shell, glider)
    again = shell(bob, "publish", str(folder / "glider.rle")).answer
    assert (again["state"], again["also_by"]) == ("published", [alice.did])
    assert shell(alice, "delete", f"genome/{creature['id'][:16]}").code == 0
    assert shell(alice, "fetch", creature["id"][:16], "-o", str(tmp_path / "none")).code == 2
    assert shell(alice, "info", creature["id"]).code == 5
    hall = shell(bob, "hall-of-fame").answer["hall_of_fame"]
    assert [(one["id"], one["civilization_level"]) for one in hall] == [(LINEAGE_ID, 5)]
    assert shell(bob, "rate", LINEAGE_ID, "4", "--kind", "lineage").answer["average"] == 4.0
    dynasty = shell(bob, "info", LINEAGE_ID, "--kind", "lineage").answer
    assert (dynasty["name"], dynasty["rating"]["average"]) == ("The walkers", 4.0)


def test_a_client_of_the_galactic_federation_works_unchanged(node: StartNode) -> None:
    api = str(node("alice", "--compat").ready["api"])
    status, made = call(api, "POST", "/api/registry/genomes", {
        "genotype": "000102030405", "author": "test_user", "name": "Test High-Fitness Genome",
        "description": "A test genome for Phase 70", "tags": "test,phase70",
        "fitness_score": 99.999, "offspring_count": 500, "tick": 12345,
    })  # fmt: skip
    assert (status, made["success"]) == (200, True)
    status, seed = call(api, "POST", "/api/registry/seeds", {
        "author": "u", "name": "S", "description": "", "tags": "", "config": "{\"a\": 1}",
        "avg_tick_time": 0.0, "max_pop": 7, "performance_summary": "",
    })  # fmt: skip
    assert (status, seed["success"]) == (200, True)
    _, genomes = call(api, "GET", "/api/registry/genomes?limit=10&sort_by=fitness")
    (genome,) = genomes["genomes"]
    # What its records must have, of the types that its client reads.
    types = {
        "id": str, "genotype": str, "author": str, "name": str, "description": str, "tags": str,
        "fitness_score": float, "offspring_count": int, "tick": int, "downloads": int,
        "created_at": str,
    }  # fmt: skip
    assert {key: type(genome[key]) for key in types} == types
    assert (genome["id"], genome["lineage_id"]) == (made["id"], None)
    _, seeds = call(api, "GET", "/api/registry/seeds?limit=10&sort_by=pop")
    assert [(one["config_json"], one["max_pop"]) for one in seeds["seeds"]] == [('{"a": 1}', 7)]
    assert call(api, "GET", "/api/registry/hall_of_fame") == (200, {"hall_of_fame": []})
    assert call(api, "POST", "/api/gc", {})[0] == 401
