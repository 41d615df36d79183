"""The node's page in a real browser: who may do what, and how old what is known of it is.

Chromium loads it from a running node, lets its scripts work, and prints what came of it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
BROWSE_S = 60.0

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("browser")]


@pytest.fixture
def browser() -> str:
    """A person may do without one; with CI=true nobody would see that the page went untested."""
    missing = "there is no Chromium on this machine"
    if not BROWSER and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if not BROWSER:
        pytest.skip(missing)
    return BROWSER


def page_of(at: LocalNode, profile: Path) -> str:
    """The document as it stands once its first requests were answered."""
    flags = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:  # it refuses its own sandbox to root
        flags.append("--no-sandbox")
    done = subprocess.run(
        [BROWSER, *flags, "--virtual-time-budget=3000", "--dump-dom", str(at.ready["api"])],
        capture_output=True,
        text=True,
        timeout=BROWSE_S,
        check=True,
    )
    return done.stdout


def listed(page: str, id: str) -> list[str]:
    """The items of a list, as markup."""
    found = re.search(rf'<ul id="{id}"[^>]*>(.*?)</ul>', page, re.DOTALL)
    assert found, f"no list {id} in {page}"
    return re.findall(r"<li[^>]*>(.*?)</li>", found[1], re.DOTALL)


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def test_the_page_shows_how_old_what_is_known_of_rights_is(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    done(shell(alice, "namespace", "create", "guild"))

    def guild(at: LocalNode) -> str:
        items = listed(page_of(at, tmp_path / f"{at.name}.browser"), "namespaces")
        (found,) = [one for one in items if "<strong>guild</strong>" in one]
        return found

    assert "its owner last said so: never; compared with a peer: never" in guild(alice)

    # Bob is let in; the owner speaks, and both compare: the ages begin, and are seconds.
    code = done(shell(alice, "invite", "--for", bob.did, "--write", "--namespace", "guild"))["code"]
    done(shell(bob, "accept", code, "--yes"))
    done(shell(alice, "cap", "heartbeat", "--namespace", "guild"))

    def ages() -> bool | None:
        spaces = bob.client.get("/api/namespaces")["namespaces"]
        (found,) = [one for one in spaces if one["name"] == "guild"]
        return None not in (found["authority_age_s"], found["authority_compared_s"]) or None

    wait_for("bob to hear and compare", ARRIVE_S, ages)
    for one in (alice, bob):
        text = guild(one)
        assert re.search(r"its owner last said so: \d+ (s|min) ago", text), text
        assert re.search(r"compared with a peer: \d+ (s|min) ago", text), text

    # What was taken back is there with its reason, which is text whatever is in it.
    reason = "<img src=x onerror=document.body.remove()>"
    did = done(shell(alice, "namespace", "list"))["namespaces"][1]["did"]
    where = ("--namespace", did, "--reason", reason)
    done(shell(alice, "cap", "revoke", bob.did, *where, "--yes"))
    (taken,) = listed(page_of(alice, tmp_path / "alice.browser"), "revocations")
    assert "in force" in taken
    assert "&lt;img src=x" in taken
    assert "<img" not in taken
    (given, *_) = listed(page_of(alice, tmp_path / "alice.browser"), "given")
    assert bob.did in given
    assert "revoked by" in given


def test_the_page_says_first_how_it_stands_with_the_peers(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    done(shell(bob, "name", "set", "alice", alice.did))

    def is_in_sync() -> bool | None:
        return bob.client.get("/api/peers")["sync"]["state"] == "in-sync" or None

    wait_for("bob to be in sync with alice", ARRIVE_S, is_in_sync)
    page = page_of(bob, tmp_path / "bob.browser")
    assert re.search(r'<p id="sync"[^>]*>in sync with 1 peer</p>', page)
    (peer,) = listed(page, "peers")
    assert "<strong>alice</strong> in sync" in peer
    assert "by tcp" in peer
