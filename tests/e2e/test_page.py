"""The node's page in a real browser: who may do what, and how old what is known of it is.

Chromium loads it from a running node, and is looked at and used as by a person.
"""

import os
import re
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, LocalNode, clean_environment, wait_for
from node.failure import Json
from tests.e2e.browser import BROWSER, Page, opened
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("browser")]


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
    """The document as it stands once all of its lists were filled."""
    told = "!byId('state').textContent.startsWith('asking') && byId('sync').textContent"
    filled = f"document.readyState == 'complete' && {told} && byId('given').children.length"
    with opened(str(at.ready["api"]), profile) as page:
        page.wait("the page to be filled", filled)
        return str(page.value("document.documentElement.outerHTML"))


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

    def ages(at: LocalNode) -> bool | None:
        spaces = at.client.get("/api/namespaces")["namespaces"]
        (found,) = [one for one in spaces if one["name"] == "guild"]
        return None not in (found["authority_age_s"], found["authority_compared_s"]) or None

    for one in (alice, bob):
        wait_for(f"{one.name} to hear and compare", ARRIVE_S, partial(ages, one))
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


def test_a_person_searches_with_the_keyboard(
    node: StartNode, publish_demo: Callable[[LocalNode], list[str]], tmp_path: Path
) -> None:
    alice = node("alice")
    names = publish_demo(alice)
    with opened(str(alice.ready["api"]), tmp_path / "alice.browser") as page:
        text = "document.getElementById('found').textContent"
        for name in names:
            page.wait(name, f"{text}.includes({name!r})")
        assert (
            page.value("byId('kinds').textContent") == f"everything {len(names)}module {len(names)}"
        )
        page.value("document.body.focus()")
        page.press("/")
        assert page.value("document.activeElement.id") == "q"
        page.type("suop")
        page.wait(
            "what was meant", "byId('found-said').textContent.includes('Did you mean “soup”')"
        )
        assert page.value("document.querySelector('#found mark').textContent").lower() == "soup"
        assert page.value("byId('found').children.length") == 1
        page.value("byId('q').value = ''")
        page.type("nothingatall")
        page.wait("nothing", "byId('found-said').textContent === 'Nothing found.'")
        assert page.value("byId('empty').hidden")
        page.value("byId('q').value = ''")
        page.press("Enter")
        page.wait("all of them", f"byId('found').children.length === {len(names)}")
        tag = page.value("byId('tags').firstChild.textContent.split(' ')[0]")
        page.value("byId('tags').firstChild.focus()")
        page.press("Enter")
        page.wait("the tag", "byId('tags').firstChild.getAttribute('aria-pressed') === 'true'")
        assert page.value("document.activeElement.textContent") == tag, "the focus stays"
        unnamed = (
            "[...document.querySelectorAll('#search input, #search select, .choices button')]"
            ".filter((one) => !(one.labels?.length || one.textContent || one.ariaLabel)).length"
        )
        assert page.value(unnamed) == 0


def let_act(page: Page, at: LocalNode) -> None:
    """As a person does: types the code that a terminal shows, with the keyboard alone."""
    page.wait("the page to be there", "document.readyState == 'complete'")
    page.tab_to("page-code")
    page.type(at.client.post("/api/page/codes", {})["code"].lower())
    page.press("Enter")
    page.wait("the page to act", "!byId('pairing').hidden && byId('invite-namespace').value")
    assert page.value("document.activeElement.id") == "invite-head"


def make_code(page: Page) -> str:
    """With the keyboard; the link of it."""
    page.tab_to("invite-make")
    page.press("Enter")
    return str(page.wait("a code", "!byId('made').hidden && byId('code-link').textContent"))


def test_two_people_pair_by_their_pages(node: StartNode, tmp_path: Path) -> None:
    alice, bob = node("alice"), node("bob")
    with opened(str(alice.ready["api"]), tmp_path / "alice.browser") as hers:
        let_act(hers, alice)
        hers.tab_to("invite-area")
        hers.type("no such area")
        hers.press("Enter")
        said = hers.wait(
            "why not",
            "byId('invite-said').textContent.endsWith('.') && byId('invite-said').textContent",
        )
        assert "is nobody's name here" in said, said
        hers.value("byId('invite-area').value = ''")

        hers.tab_to("invite-as")
        hers.type("alice")
        link = make_code(hers)
        assert link.startswith("panspermia:invite-")
        assert re.fullmatch(r"(\w{4}-){3}\w{4}", hers.text("#code"))
        assert hers.value("document.activeElement.id") == "made-head"
        assert re.fullmatch(r"1[45] min", hers.text("#time-left"))
        assert hers.value("document.querySelector('#qr path').getBBox().width") > 20
        assert hers.nameless() == []
        assert hers.illegible() == []
        open_one = hers.wait(
            "it to be listed",
            "(text => text.includes(' open') && text)"
            "(document.querySelector('#invites li').innerText)",
        )
        assert "left" in open_one

        with opened(str(bob.ready["api"]), tmp_path / "bob.browser") as his:
            let_act(his, bob)
            his.tab_to("accept-code")
            his.type("K7QX-2M9P-D4TV-8HNX")
            his.press("Enter")
            wrong = his.wait(
                "what is wrong",
                "byId('accept-said').className == 'bad' && byId('accept-said').textContent",
            )
            assert "mistyped: look at the code again" in wrong
            assert his.illegible() == []
            his.type(link)
            his.press("Enter")
            his.wait("what it gives", "!byId('offer').hidden")
            assert alice.did in his.text("#offer-from")
            assert his.nameless() == []
            assert his.illegible() == []
            digits = his.text("#offer-digits").removeprefix("Check digits of both nodes: ")
            his.tab_to("offer-take")
            his.press("Enter")
            taken = his.wait(
                "it to be taken",
                "byId('accept-said').textContent.startsWith('Pai')"
                " && byId('accept-said').textContent",
            )
            assert f"Paired with alice, {alice.did}." in taken
            assert his.illegible() == []
        used = hers.wait(
            "her to hear of it",
            "byId('invites').innerText.includes('used') && byId('invites').innerText",
        )
        assert digits in used
    assert bob.client.get("/api/peers")["peers"][0]["did"] == alice.did


def test_a_code_is_taken_back_and_the_page_stops_acting(node: StartNode, tmp_path: Path) -> None:
    alice = node("alice")
    with opened(str(alice.ready["api"]), tmp_path / "alice.browser") as page:
        page.wait("the page to be there", "document.readyState == 'complete'")
        page.tab_to("page-code")
        page.type("K7QX-2M9P")
        page.press("Enter")
        assert "panspermia open" in page.wait("why not", "byId('unlock-said').textContent")
        assert page.illegible() == []
        page.value("document.body.style.setProperty('--soft', '#8a8a8a')")
        assert page.illegible(), "it would be found"
        page.value("document.body.style.removeProperty('--soft')")
        let_act(page, alice)
        make_code(page)
        page.wait("it to be listed", "!!document.querySelector('#invites button')")
        page.value("document.querySelector('#invites button').focus()")
        page.press("Space")
        page.wait(
            "it to be gone", "byId('made').hidden && !document.querySelector('#invites button')"
        )
        assert "cancelled" in page.text("#invites")
        assert page.text("#code") == ""
        page.tab_to("lock")
        page.press("Enter")
        page.wait("the page to stop acting", "byId('pairing').hidden && !byId('unlock').hidden")
        assert page.value("sessionStorage.length") == 0


def test_the_page_shows_how_far_a_blob_is_and_how_it_ended(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "config.toml").write_text('[p2p]\ndownload = "1MiB"\n')
    bob = node("bob", peers=(alice,))
    file = tmp_path / "big.bin"
    file.write_bytes(os.urandom(6 << 20))
    blob = done(shell(alice, "blob", "add", str(file)))["id"]
    with opened(str(bob.ready["api"]), tmp_path / "bob.browser") as page:
        page.wait("bob to be in sync", "byId('sync').textContent.startsWith('in sync')")
        assert page.value("byId('fetching').hidden")
        with fetching(bob, blob, tmp_path / "got.bin"):
            page.wait("a bar", "document.querySelector('#transfers progress')?.value > 0")
            how = r"/of 6\.0 MiB · .*\/s · from 1 peer · .* to go · .* limit /"
            page.wait("why it is slow", f"{how}.test(byId('transfers').innerText)")
            assert page.nameless() == []
            assert page.illegible() == []
        page.wait("its end", "byId('transfers').innerText.includes('fetched, 6.0 MiB')")
        missing = "ab" * 32
        assert shell(bob, "fetch", missing, "-o", str(tmp_path / "none")).code == 8
        page.wait("the other's end", "!!document.querySelector('#transfers .bad')")
        assert "peer does not hold it" in page.text("#transfers .bad")
        assert page.illegible() == []
        opens_a_state_of(alice, bob, page, shell, tmp_path)
        accepts_a_passage_of(alice, bob, page)
        page.do("Page.navigate", url=f"{bob.client.url}/docs")
        page.wait("the other page", "document.querySelectorAll('#operations *').length > 20")
        assert page.illegible() == []


def opens_a_state_of(
    alice: LocalNode, bob: LocalNode, page: Page, shell: Shell, tmp_path: Path
) -> None:
    """Of a universe of alice's, which is fetched as bob asks for it, and told as it comes."""
    world = tmp_path / "world.bin"
    world.write_bytes(os.urandom(12 << 20))  # more than a node fetches unasked
    done(shell(alice, "universe", "create", "Meadow", "--id", "universe:meadow", "--public"))
    done(shell(alice, "universe", "snapshot", str(world), "--tick", "1200"))
    page.do("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    let_act(page, bob)
    link = "[...document.querySelectorAll('#universes a')].find((one) => one.text === 'Meadow')"
    page.wait("her universe", f"!!{link}")
    page.wait("its snapshot", "byId('universes').innerText.includes('last tick 1,200')")
    page.value(f"{link}.click()")
    page.wait("it to be open", "document.activeElement.id === 'one-head'")
    assert "universe of " in page.text("#one")
    assert not page.value("document.querySelector('#one form.drop')"), "it is not his"
    page.value("document.querySelector('#one form.fields input').focus()")
    page.type("5000")
    page.press("Enter")
    page.wait(
        "how far it is", "document.querySelector('#one form.fields progress')?.checkVisibility()"
    )
    told = "byId('one').innerText"
    page.wait("in words", f"/of 12\\.0 MiB are here/.test({told})")
    assert page.nameless() == []
    assert page.illegible() == []
    page.wait("all of it", f"{told}.includes('Tick 1,200, the last before it: 12.0 MiB.')")
    got = tmp_path / "universe_meadow-1200.bin"
    wait_for("its bytes", ARRIVE_S, lambda: is_same(got, world))


def accepts_a_passage_of(alice: LocalNode, bob: LocalNode, page: Page) -> None:
    """From her universe into one of his; then it is open for both."""
    own = {"id": "universe:reef", "name": "Reef", "visibility": "public"}
    reef = bob.client.post("/api/universe", own)["universe"]["fullName"]
    wish = {"sourceUniverseId": "universe:meadow", "targetUniverseId": reef, "name": "Over the sea"}
    alice.client.post("/api/passage", wish)
    link = "[...document.querySelectorAll('#passages a')].find((one) => one.text.includes('sea'))"
    page.wait("her proposal", f"!!{link}")
    assert "proposed" in page.text("#passages")
    page.value(f"{link}.click()")
    page.wait("it to be open", "byId('one-head').textContent === 'Over the sea'")
    assert page.value("[...document.querySelectorAll('#one button')].map((one) => one.innerText)")[
        1:2
    ] == ["Accept it"]
    page.value("document.querySelector('#one-body form button').focus()")
    page.press("Enter")
    page.wait("it to be accepted", "byId('one').innerText.includes('It is accepted.')")
    assert page.nameless() == []
    assert page.illegible() == []
    opened = "byId('passages').querySelector('.kind')?.textContent === 'open'"
    page.wait("the list to say so", opened)
    (passage,) = bob.client.get("/api/passages")["passages"]
    assert (passage["state"], passage["acceptedBy"]) == ("open", bob.did)


def is_same(got: Path, wanted: Path) -> bool | None:
    return (got.exists() and got.read_bytes() == wanted.read_bytes()) or None


@contextmanager
def fetching(at: LocalNode, blob: str, file: Path) -> Generator[None]:
    """`panspermia fetch` in the background, which ends well."""
    command = [*COMMAND, "--json", "--home", str(at.home), "fetch", blob, "-o", str(file)]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL) as process:
        yield
        assert process.wait(ARRIVE_S) == 0


def test_a_module_is_opened_with_its_readme_versions_and_history(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    for version, number in (("1.0.0", 10), ("1.1.0", 11)):
        folder = make_module(
            tmp_path / version, "io.test.answer", version, answering(number), 'readme = "R.md"\n'
        )
        (folder / "R.md").write_text("# Answer\n<script>alert(1)</script>")
        done(shell(alice, "publish", str(folder)))
    done(shell(alice, "yank", "io.test.answer@1.0.0", "--reason", "It is ten."))
    done(shell(alice, "advisory", "publish", "io.test.answer@<1.1", "--title", "Ten is wrong."))
    with opened(str(alice.ready["api"]), tmp_path / "profile") as page:
        page.wait("the module", "!!document.querySelector('#found details')")
        page.value("document.querySelector('#found summary').click()")
        page.wait("its readme", "!!document.querySelector('#found pre')")
        told = str(page.value("document.querySelector('#found details').textContent"))
        assert page.value("document.querySelectorAll('#found script').length") == 0
        assert "Nobody rated it yet" in told
        for said in ("<script>alert(1)</script>", "yanked 1.0.0: It is ten.", "released 1.1.0"):
            assert said in told
        assert "vulnerable, <1.1: Ten is wrong." in told

        # It stays open while others arrive.
        alice.client.post("/api/universe", {"id": "universe:late", "name": "Late"})
        page.wait("what arrived", "byId('universes').innerText.includes('Late')")
        assert page.value("!!document.querySelector('#found details[open] pre')")
