"""`demo`: two real nodes on this machine do the main job, each step verified and timed.

alice and bob start → bob finds alice by mDNS → alice publishes the modules of `node/demo` →
they reach bob, who searches, plans, installs, verifies and runs one → alice publishes a genome and
a seed and signs what the genome does → bob fetches both and runs the same (`demo_life`) → alice
keeps a world, bob opens and forks it, a creature travels (`demo_universe`) → both stop
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import click

from node.client import module_path
from node.commands.console import print_event, say, shows_progress, wants_json
from node.commands.demo_life import (
    TICKS,
    Creature,
    attest,
    check,
    confirm,
    fetch,
    hear,
    publish_creatures,
)
from node.commands.demo_universe import World, fork_world, keep_world, open_world, send_creature
from node.commands.installing import SILENCE_S
from node.commands.lock import read_lock, write_lock
from node.commands.nodes import (
    LocalNode,
    clean_environment,
    start_node,
    stop_all,
    wait_for,
)
from node.commands.publish import PUBLISH_TIMEOUT_S, ModuleFiles, read_module
from node.exit_codes import FAILED
from node.failure import Failure, Json
from node.text import full_name, printable, short_did, short_name, size_text

# mDNS answers within a second; a loaded machine, or a network that drops packets, asks again.
FIND_S = 30.0
ARRIVE_S = 30.0

WANTED = "io.panspermia.census"
EXPORT, ARGUMENTS = "fingerprint", (42, 100)
# FNV-1a of the world that is left of soup 42 after 100 generations: the modules give the same
# number on every machine, and so does the Life of `tests/e2e/test_demo.py`, which is no module.
EXPECTED = 2_029_736_247_745_019_069


@dataclass(slots=True)
class Demo:
    """What the steps know of one another."""

    folder: Path
    nodes: list[LocalNode] = field(default_factory=list[LocalNode])
    modules: dict[str, ModuleFiles] = field(default_factory=dict[str, ModuleFiles])
    plan: Json = field(default_factory=dict[str, object])
    creatures: list[Creature] = field(default_factory=list[Creature])
    world: World | None = None

    @property
    def alice(self) -> LocalNode:
        return self.nodes[0]

    @property
    def bob(self) -> LocalNode:
        return self.nodes[1]

    @property
    def genome(self) -> Creature:
        return self.creatures[0]

    @property
    def kept(self) -> World:
        assert self.world is not None, "alice keeps it before bob looks for it"
        return self.world

    @property
    def names(self) -> set[str]:
        """The modules as the world knows them: did/id."""
        return {f"{self.alice.did}/{id}" for id in self.modules}


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave both nodes running, and say where.")
def demo_command(keep: bool) -> None:
    """Run two real nodes on this machine and do the main job."""
    demo = Demo(Path(tempfile.mkdtemp(prefix="panspermia-demo-")))
    started_s, is_done = time.monotonic(), False
    try:
        for name, work in STEPS:
            with timed(name, demo.folder) as notes:
                notes.extend(work(demo).splitlines())
        if not keep:
            with timed("both nodes stop in order", demo.folder) as notes:
                notes.extend(stop(demo).splitlines())
        is_done = True
    finally:
        if not (keep and is_done):
            stop_all(demo.nodes)
        if is_done and not keep:
            shutil.rmtree(demo.folder, ignore_errors=True)
    print_end(demo, time.monotonic() - started_s, kept=keep)


@contextmanager
def timed(name: str, folder: Path) -> Generator[list[str]]:
    """One step: waited for on a terminal, printed with its time once it held."""
    notes: list[str] = []
    started_s = time.monotonic()
    try:
        with spinner(name):
            yield notes
    except Failure as error:
        detail = f"In the step: {name}\n{error.problem['detail']}\nHomes and logs: {folder}"
        problem = {**error.problem, "detail": detail}
        raise Failure(problem, error.exit or FAILED) from error
    seconds = time.monotonic() - started_s
    if wants_json():
        step = {"name": name, "ok": True, "seconds": round(seconds, 3)}
        return print_event("step", {**step, "detail": "; ".join(notes)})
    say("✓ ", fg="green", nl=False)
    say(f"{seconds:6.2f} s  {name}")
    for note in notes:
        say(f"            {printable(note)}", dim=True)


@contextmanager
def spinner(name: str) -> Generator[None]:
    """On stderr, and only where that is a terminal."""
    if not shows_progress():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(name):
        yield


def start(demo: Demo) -> str:
    # A group of their own: another node on this machine keeps its world, and they theirs.
    group = f"demo-{secrets.token_hex(4)}"
    environment = {**clean_environment(), "PANSPERMIA_P2P_MDNS_GROUP": group}
    for name in ("alice", "bob"):
        demo.nodes.append(start_node(name, demo.folder, environment=environment))
    for node in demo.nodes:
        ready = node.client.get("/readyz")
        check(ready.get("status") == "ready", f"{node.name} is not ready", ready)
    check(demo.alice.did != demo.bob.did, "Two nodes have one identity", demo.bob.did)
    return f"alice is {short_did(demo.alice.did)}, bob {short_did(demo.bob.did)}"


def find(demo: Demo) -> str:
    def look() -> Json | None:
        known = demo.bob.client.get("/api/peers")
        address = demo.alice.ready["p2p"]
        seen = any(
            found["source"] == "mdns" and found["address"] == address
            for found in known["discovered"]
        )
        connected = [peer for peer in known["peers"] if peer["did"] == demo.alice.did]
        return connected[0] if seen and connected else None

    peer = wait_for("bob to find alice by mDNS", FIND_S, look)
    return f"alice at {peer['address']}, no address was given; the channel is encrypted"


def publish(demo: Demo) -> str:
    from node.demo import folders

    for folder in folders():
        files = read_module(folder)
        body = files.body(changelog="The first release.", dry_run=False)
        answer = demo.alice.client.post("/api/modules", body, timeout_s=PUBLISH_TIMEOUT_S)
        did, _, id = answer["module"].rpartition("/")
        check(did == demo.alice.did, "It was published by somebody else", did)
        check(answer["sha256"] == sha256(files), f"The hash of {id} is wrong", answer["sha256"])
        demo.modules[id] = files
    return ", ".join(demo.modules)


def arrive(demo: Demo) -> str:
    def look() -> set[str] | None:
        page = demo.bob.client.get("/api/modules", {"author": demo.alice.did})
        found = {full_name(module) for module in page["modules"]}
        return found if found == demo.names else None

    found = wait_for("the modules to reach bob", ARRIVE_S, look)
    refused = demo.bob.client.get("/api/refused")["refused"]
    check(not refused, "Bob refused something", refused)
    return f"{len(found)} modules, all signatures checked, nothing refused"


def search(demo: Demo) -> str:
    wanted = f"{demo.alice.did}/{WANTED}"

    def look() -> Json | None:
        page = demo.bob.client.get("/api/search", {"q": "soup of life", "kind": "module"})
        return next((hit for hit in page["results"] if hit["id"] == wanted), None)

    hit = wait_for("the search to find the module", ARRIVE_S, look)
    check(hit["author"] == demo.alice.did, "The author is somebody else", hit["author"])
    return f"“soup of life” finds {WANTED} {hit['version']}: {hit['description']}"


def plan(demo: Demo) -> str:
    demo.plan = demo.bob.client.post("/api/resolve", {"requirements": [WANTED], "lock": None})
    added = {module["id"] for module in demo.plan["plan"]["add"]}
    check(added == demo.names, "The plan is not what was wanted and its dependencies", added)
    size = sum(package["size"] for package in demo.plan["packages"])
    lines = [f"{WANTED} needs {len(added) - 1} more; {size_text(size)} in all"]
    lines += [f"+ {short_name(one['id'])} {one['version']}" for one in demo.plan["plan"]["add"]]
    return "\n".join(lines)


def install(demo: Demo) -> str:
    body = {"requirements": [WANTED], "lock": None, "frozen": False}
    lines = demo.bob.client.post_lines("/api/install", body, timeout_s=SILENCE_S)
    result = next((line for line in lines if line["event"] == "result"), None)
    check(result is not None, "The installation stopped in the middle", result)
    assert result
    installed = {module["id"] for module in result["installed"]}
    check(installed == demo.names, "Something else was installed", installed)
    path = demo.folder / "panspermia.lock"
    write_lock(path, result["lock"])
    lock = read_lock(path)
    check(lock == result["lock"], "The lock file does not read back", lock)
    assert lock
    for package in lock["packages"]:
        expected = sha256(demo.modules[package["id"].rpartition("/")[2]])
        check(package["sha256"] == expected, f"{package['id']} is another", package["sha256"])
    return f"{len(installed)} modules from alice, hashes as published; panspermia.lock written"


def verify(demo: Demo) -> str:
    checks = 0
    for id in demo.modules:
        name = f"{demo.alice.did}/{id}"
        version = demo.bob.client.get(module_path(name))["latest_version"]
        report = demo.bob.client.get(module_path(name, "versions", version, "verify"))
        check(report["ok"], f"{id} does not verify", report["checks"])
        checks += len(report["checks"])
    return f"{checks} checks of hashes, signatures and structure hold"


def run(demo: Demo) -> str:
    body = {"id": WANTED, "export": EXPORT, "args": list(ARGUMENTS)}
    answer = demo.bob.client.post("/api/run", body)
    values = [int(result["value"]) for result in answer["results"]]
    check(values == [EXPECTED], "The result is another", answer["results"])
    call = f"{EXPORT}({', '.join(map(str, ARGUMENTS))})"
    return f"{call} = {EXPECTED}, as expected; {answer['fuel_used'] or 0:,} instructions"


def bring_to_life(demo: Demo) -> str:
    demo.creatures = publish_creatures(demo.alice.client)
    return ", ".join(f"{one.kind} {one.id[:12]}… {one.name}" for one in demo.creatures)


def sign(demo: Demo) -> str:
    answer = attest(demo.alice.client, demo.genome)
    return f"{demo.genome.name} scores {answer['result']:,} in at most {TICKS:,} generations"


def take(demo: Demo) -> str:
    size = fetch(demo.bob.client, demo.creatures)
    hear(demo.bob.client, demo.genome, demo.alice.did)
    return f"{len(demo.creatures)} things, {size_text(size)}, byte for byte; and alice's word on it"


def run_again(demo: Demo) -> str:
    answer = confirm(demo.bob.client, demo.genome, demo.alice.did)
    return f"{answer['result']:,} on his own node too: verified, {answer['cpu_ms']:.0f} ms"


def keep(demo: Demo) -> str:
    modules = {id: files.wasm for id, files in demo.modules.items()}
    demo.world, said = keep_world(demo.alice.client, demo.alice.did, modules)
    return said


def open_it(demo: Demo) -> str:
    return open_world(demo.bob.client, demo.kept)


def fork_it(demo: Demo) -> str:
    return fork_world(demo.alice.client, demo.bob.client, demo.bob.did, demo.kept)


def travel(demo: Demo) -> str:
    creature = demo.genome.data
    return send_creature(demo.alice.client, demo.bob.client, demo.kept, creature)


def stop(demo: Demo) -> str:
    codes = [node.stop() for node in demo.nodes]
    check(codes == [0, 0], "A node did not end well", codes)
    return "exit code 0 twice"


STEPS: tuple[tuple[str, Callable[[Demo], str]], ...] = (
    ("alice and bob start, each with a home of its own", start),
    ("bob finds alice by mDNS and connects", find),
    ("alice publishes four modules that depend on one another", publish),
    ("they arrive at bob by themselves", arrive),
    ("bob searches", search),
    ("bob asks what an installation would do", plan),
    ("bob installs it with its dependencies", install),
    ("bob verifies what he holds", verify),
    ("bob runs an export of the installed module", run),
    ("alice publishes a genome and a seed", bring_to_life),
    ("alice has the genome evaluated and signs the result", sign),
    ("bob finds and fetches both, and hears of the result", take),
    ("bob runs the same evaluation and finds the same", run_again),
    ("alice keeps a universe, a state every 25 generations", keep),
    ("bob finds the universe and opens a tick of it", open_it),
    ("bob forks it there and goes on", fork_it),
    ("a creature travels from alice's universe to bob's", travel),
)


def sha256(files: ModuleFiles) -> str:
    return hashlib.sha256(files.wasm).hexdigest()


def print_end(demo: Demo, seconds: float, *, kept: bool) -> None:
    nodes = [{"name": node.name, **without_event(node.ready)} for node in demo.nodes]
    if wants_json():
        result = {"schema": "panspermia.demo/1", "ok": True, "seconds": round(seconds, 3)}
        return print_event("result", {**result, "kept": kept, "nodes": nodes if kept else []})
    say(f"Every step held, in {seconds:.1f} s.", fg="green", bold=True)
    if kept:
        for node in demo.nodes:
            home = quote(str(node.home))
            say(f"{node.name}: {node.ready['api']}  (panspermia --home {home} down)")


def without_event(ready: Json) -> Json:
    return {name: value for name, value in ready.items() if name != "event"}
