"""Souls and families on the node's page, where a stranger tells of them too: whose word it is.

Alice's game and Bob's fork of it both call their universe `universe:main`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from tests.e2e.browser import Page, opened
from tests.e2e.story import ARRIVE_S, StartNode
from tests.e2e.test_multiverse import (
    FOX,
    MAIN,
    Teller,
    has_all,
    is_open,
    knows,
    knows_no_more,
    told,
)  # fmt: skip
from tests.e2e.test_page import browser
from tests.e2e.test_page_records import follow, is_well_made

__all__ = ["browser", "told"]

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("browser")]


def looks_at(page: Page, universe: str, relatives: int = 3) -> None:
    """As by a link to it, with all that is told of families opened."""
    page.value(f"location.hash = '#universe/' + encodeURIComponent('{universe}'), 0")
    page.wait("it to be open", f"shownUniverse.one.fullName === '{universe}'")
    page.wait("its tree", "!!document.querySelector('#one .tree a')")
    follow(page, f"As a list: {relatives} universes")
    follow(page, "Souls, followed")
    follow(page, "Parents and children")


def says(page: Page, *lines: str) -> None:
    for line in lines:
        page.wait(line, f"byId('one').innerText.includes({line!r})")


def test_what_strangers_tell_of_ones_own_is_shown_as_theirs(
    node: StartNode, told: Teller, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    own, theirs = f"{alice.did}/{MAIN}", f"{bob.did}/{MAIN}"
    told(alice, "name", "set", "bob", bob.did)
    state, cain = tmp_path / "100.bin", tmp_path / "cain.json"
    for file in (state, cain):
        file.write_text(FOX)
    told(alice, "universe", "create", "Main", "--id", MAIN, "--public")
    happens(told, alice, MAIN, "birth", 1, "eve", "--soul", "soul:e")
    happens(told, alice, MAIN, "birth", 2, "cain", "--soul", "soul:c", "--parent", "eve")
    told(alice, "universe", "snapshot", MAIN, str(state), "--tick", "100")
    wait_for("bob to have all of it", ARRIVE_S, has_all(bob, own, 1, 2))
    told(bob, "universe", "fork", own, "--tick", "100", "--name", "Main", "--id", MAIN)
    wait_for("alice to know the fork", ARRIVE_S, knows(alice, theirs))
    told(alice, "universe", "fork", theirs, "--name", "Again", "--id", "universe:again")
    again = f"{alice.did}/universe:again"
    happens(told, bob, MAIN, "birth", 110, "kit", "--parent", "eve")
    happens(told, bob, MAIN, "death", 120, "eve", "--soul", "soul:e")
    happens(told, alice, "universe:again", "death", 130, "eve", "--soul", "soul:e")
    told(alice, "passage", "create", MAIN, theirs, "--id", "way")
    wait_for("bob to hear of it", ARRIVE_S, knows(bob, f"{alice.did}/way"))
    told(bob, "passage", "accept", f"{alice.did}/way")
    wait_for("alice to see it open", ARRIVE_S, is_open(told, alice, "way"))
    told(alice, "passage", "send", "way", str(cain), "--soul", "soul:c", "--tick", "140")
    told.wait_for(alice, "way", "soul:c", "in", bob.did)
    wait_for("what bob tells", ARRIVE_S, tells(alice, theirs, 2))

    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        looks_at(page, own)
        tree = "[...document.querySelectorAll('.tree a')].map((one) => one.ariaLabel)"
        assert page.value(tree) == [
            "Main", "Main of bob, from tick 100", "Again, from tick 100",
        ]  # fmt: skip
        says(
            page,
            "Main of bob, from tick 100\nfork of your universe:main, 1 deep",
            "Again, from tick 100\nfork of universe:main of bob, 2 deep",
            "eve born at tick 1, died in your universe:again at tick 130,"
            " in universe:main of bob at tick 120\n"
            "parent of cain, kit (universe:main of bob)\n",
            "cain born at tick 2\nchild of eve\n",
            "kit born in universe:main of bob at tick 110\n"
            "child of eve (your universe:main)",
        )  # fmt: skip
        follow(page, "soul:c")
        says(
            page, "your universe:main: born at tick 2, left at tick 140 for universe:main of bob",
            " from your universe:main, and is there, of your universe:main",
        )  # fmt: skip
        is_well_made(page)

        looks_at(page, theirs)
        says(
            page, "eve born in your universe:main at tick 1, died at tick 120, in your universe:ag",
            "kit born at tick 110\n",
        )  # fmt: skip

        told(bob, "universe", "delete", MAIN)
        wait_for("alice to hear of it", ARRIVE_S, knows_no_more(alice, theirs))
        looks_at(page, again, 2)
        says(
            page, "universe:main of bob, deleted\nthe first of them",
            "What happened in universe:main of bob is not told",
            "eve told of in your universe:again, died at tick 130",
        )  # fmt: skip
        # Only where something is damaged.
        unread = f"unreadText('{theirs}', '{alice.did}').innerText"
        assert str(page.value(unread)).startswith("Who passed universe:main of bob is told")
        left = f"{{ leftOutCount: 1, leftOut: [{{ soul: 'soul:c', origin: '{theirs}' }}] }}"
        (line,) = page.value(f"leftOutText({left}, '{alice.did}').map((one) => one.innerText)")
        assert line.endswith(": soul:c of universe:main of bob.")


def happens(
    told: Teller, at: LocalNode, universe: str, word: str, tick: int, name: str, *rest: str
) -> None:
    told(at, "universe", "event", universe, word, "--tick", str(tick), "--entity", name, *rest)


def tells(at: LocalNode, universe: str, count: int) -> Callable[[], bool | None]:
    """Whether so many events of that universe are there."""

    def look() -> bool | None:
        one = knows(at, universe)()
        return (one is not None and one["canonicalEventCount"] == count) or None

    return look
