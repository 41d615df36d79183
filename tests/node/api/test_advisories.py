"""Bob warns of a module; alice hears of it when she installs, and when she audits."""

import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from crdt.blob import BlobId
from crdt.keys import COMMONS, NamespaceKey
from node.config import Config, InstallConfig
from node.errors import Conflict
from node.ports import Progress
from node.services.advise import accept
from p2p.protocol.pieces import Urgency
from registry.advisory import Advisory, By, Finding
from storage.installed import AcceptedRisk, InstallChanges
from tests.node.api.test_install import (
    ADDER,
    DOUBLER,
    give,
    install,
    publish,
    shared,
    sign_other_bytes,
    versions,
)
from tests.node.api.test_namespaces import created, post
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice

OTHER = '(module (func (export "add") unreachable))'


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


@pytest_asyncio.fixture
async def carol(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "carol") as carol:
        yield carol


async def warn(node: Alice, module: str, **said: str) -> dict[str, Any]:
    body = {"module": module, "kind": "vulnerable", "title": "It adds wrongly", "range": "<1.1.0"}
    answer = await node.client.post("/api/advisories", json=body | said)
    assert answer.status_code == 201, answer.text
    said_now: dict[str, Any] = answer.json()
    return said_now


async def audited(node: Alice) -> dict[str, Any]:
    answer = await node.client.get("/api/audit")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def follow(node: Alice, who: Alice, name: str) -> None:
    answer = await node.client.put(f"/api/names/{name}", json={"author": who.node.identity.did})
    assert answer.status_code < 300, answer.text


async def test_an_author_warns_of_their_own_and_takes_it_back(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    await install(alice, f"{ADDER}@1.0.0")
    assert await audited(alice) == {"ok": True, "checked": 1, "findings": []}
    said = await warn(bob, ADDER, fixed="1.1.0", text="All of it.")
    assert said["module"] == f"{did}/{ADDER}"
    await give(bob, alice)
    found = await audited(alice)
    (one,) = found["findings"]
    assert (found["ok"], one["by"], one["counts"], one["alarming"]) == (False, "author", True, True)
    assert "fixed in 1.1.0" in one["words"]
    plan = (await alice.client.post("/api/resolve", json={"requirements": [ADDER]})).json()
    assert plan["risks"] == []  # the fixed one
    old = {"requirements": [f"{ADDER}@1.0.0"]}
    assert "It adds wrongly" in (await alice.client.post("/api/resolve", json=old)).text
    path = f"/api/advisories/{said['id']}/withdraw"
    taken = await bob.client.post(path, json={"reason": "It was the test."})
    assert taken.json()["withdrawn"], taken.text
    await give(bob, alice)
    assert (await audited(alice))["ok"]
    again = await bob.client.post(path, json={})
    assert (again.status_code, again.json()["code"]) == (404, "unknown-advisory")


async def test_whose_word_counts(alice: Alice, bob: Alice, carol: Alice) -> None:
    did = await shared(alice, bob)
    await install(alice, f"{ADDER}@1.0.0")
    text = "It lies. " * 1_000
    await warn(carol, f"{did}/{ADDER}", kind="malicious", text=text)  # she does not even hold it
    await give(carol, alice)
    found = await audited(alice)
    assert (found["ok"], found["findings"][0]["by"]) == (True, "other")
    assert found["findings"][0]["advisory"]["text"] == text[:300] + "…"
    listed = await alice.client.get("/api/advisories", params={"module": ADDER})
    assert listed.json()["advisories"][0]["text"] == text
    await follow(alice, carol, "carol")
    found = await audited(alice)
    assert (found["ok"], found["findings"][0]["by"]) == (False, "followed")
    assert found["findings"][0]["advisory"]["text"] == text
    await warn(alice, ADDER, kind="superseded", replacement=DOUBLER)
    assert [one["by"] for one in (await audited(alice))["findings"]] == ["followed", "self"]


async def test_what_is_malicious_is_installed_only_by_who_accepts_the_risk(
    alice: Alice, bob: Alice
) -> None:
    await shared(alice, bob)
    await warn(bob, ADDER, kind="malicious", range="*")
    await give(bob, alice)
    body = {"requirements": [DOUBLER]}
    plan = await alice.client.post("/api/resolve", json=body)
    assert [one["alarming"] for one in plan.json()["risks"]] == [True]
    refused = await alice.client.post("/api/install", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "malicious")
    assert await versions(alice) == {}
    (risk,) = plan.json()["risks"]
    said = risk["advisory"]["id"]
    assert said in refused.json()["detail"]
    for wrong in (True, ["adv-"], ["adv-0"], ["nonsense"], [said + "0"]):
        answer = await alice.client.post("/api/install", json={**body, "accept_risk": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body"), wrong
    other = "adv-0000" if not said.startswith("adv-0000") else "adv-1111"
    answer = await alice.client.post("/api/install", json={**body, "accept_risk": [other]})
    assert (answer.status_code, answer.json()["code"]) == (422, "malicious")
    assert await versions(alice) == {}
    done = await install(alice, DOUBLER, accept_risk=[said[:12], other])
    assert any("which you accept" in warning for warning in done["warnings"])
    assert any(f"{other} was not needed" in warning for warning in done["warnings"])
    # What is here already is warned of, and stands in nobody's way.
    await publish(bob, "org.example.other", "1.0.0")
    await give(bob, alice)
    assert (await install(alice, "org.example.other"))["installed"]


async def test_a_warning_that_comes_while_modules_are_fetched_is_heard(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shared(alice, bob)
    mild = (await warn(bob, ADDER, kind="malicious", range="<2"))["id"]
    await give(bob, alice)
    fetch_blob = alice.network.fetch_blob
    unsaid, severe = ["*"], list[str]()

    async def fetch_while_bob_warns(
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        if unsaid:  # once: several modules are fetched at a time
            said = await warn(bob, ADDER, kind="malicious", range=unsaid.pop())
            severe.append(said["id"])
            await give(bob, alice)
        await fetch_blob(blob, progress, size_bytes_max=size_bytes_max, urgency=urgency)

    monkeypatch.setattr(alice.network, "fetch_blob", fetch_while_bob_warns)
    body = {"requirements": [DOUBLER], "accept_risk": [mild]}
    refused = await alice.client.post("/api/install", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "malicious")
    assert severe[0] in refused.json()["detail"]
    assert mild not in refused.json()["detail"]
    assert await versions(alice) == {}
    assert await alice.node.store.accepted_risks() == frozenset()
    assert (await install(alice, DOUBLER, accept_risk=[mild, severe[0]]))["installed"]


async def test_an_accepted_risk_is_remembered_for_that_version_and_that_word(
    alice: Alice, bob: Alice, carol: Alice
) -> None:
    did = await shared(alice, bob)
    said = (await warn(bob, ADDER, kind="malicious", range="*"))["id"]
    await give(bob, alice)
    await install(alice, f"{ADDER}@1.0.0", accept_risk=[said])
    found = await audited(alice)
    assert (found["ok"], found["findings"][0]["accepted"]) == (True, True)
    await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    assert (await install(alice, f"{ADDER}@1.0.0"))["installed"]
    newer = await alice.client.post("/api/install", json={"requirements": [f"{ADDER}@1.1.0"]})
    assert newer.json()["code"] == "malicious"
    # Somebody else's word is another one, be it the same.
    assert (await warn(carol, f"{did}/{ADDER}", kind="malicious", range="*"))["id"] == said
    await follow(alice, carol, "carol")
    await give(carol, alice)
    assert not (await audited(alice))["ok"]
    await install(alice, f"{ADDER}@1.0.0", accept_risk=[said.removeprefix("adv-")])
    assert (await audited(alice))["ok"]


async def test_an_accepted_risk_is_of_those_bytes(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    said = (await warn(bob, ADDER, kind="malicious", range="*"))["id"]
    await give(bob, alice)
    await install(alice, f"{ADDER}@1.0.0", accept_risk=[said])
    await sign_other_bytes(bob, ADDER, "1.0.0", OTHER)
    await give(bob, alice)
    assert (await audited(alice))["ok"]  # what is installed is what was accepted
    await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    body = {"requirements": [f"{ADDER}@1.0.0"]}
    plan = await alice.client.post("/api/resolve", json=body)
    assert [one["accepted"] for one in plan.json()["risks"]] == [False]
    refused = await alice.client.post("/api/install", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "malicious")
    assert "you accepted it for other bytes of this version" in refused.json()["detail"]
    assert await versions(alice) == {}
    await install(alice, f"{ADDER}@1.0.0", accept_risk=[said])
    assert (await audited(alice))["ok"]


async def test_an_accepted_risk_is_of_that_namespace(alice: Alice) -> None:
    await created(alice)
    for place in ("guild", "commons"):
        await post(alice, "/api/modules", {**new_module(ADDER), "namespace": place})
    said = (await warn(alice, ADDER, kind="malicious", range="*"))["id"]
    await install(alice, ADDER, namespace="guild", accept_risk=[said])
    await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    assert (await install(alice, ADDER, namespace="guild"))["installed"]
    await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    refused = await alice.client.post("/api/install", json={"requirements": [ADDER]})
    assert (refused.status_code, refused.json()["code"]) == (422, "malicious")
    assert "for the same bytes in another namespace" in refused.json()["detail"]


async def test_what_was_accepted_of_no_certain_bytes_is_asked_for_again(
    alice: Alice, bob: Alice
) -> None:
    did = await shared(alice, bob)
    said = (await warn(bob, ADDER, kind="malicious", range="*"))["id"]
    await give(bob, alice)
    older = AcceptedRisk(f"{did}/{ADDER}", "1.0.0", NamespaceKey(b""), "", did, said)
    await alice.node.store.apply_install(InstallChanges(accept=[older]))
    body = {"requirements": [f"{ADDER}@1.0.0"]}
    refused = await alice.client.post("/api/install", json=body)
    assert refused.json()["code"] == "malicious"
    assert "before it was noted for which bytes" in refused.json()["detail"]
    await install(alice, f"{ADDER}@1.0.0", accept_risk=[said])
    assert (await audited(alice))["ok"]


def test_a_beginning_that_two_advisories_have_accepts_neither() -> None:
    one = Advisory(
        id="adv-0123456789abcdef", author="did:key:z6MkAuthor", module="did:key:z6MkAuthor/io.x",
        range="*", kind="malicious", title="It lies", text="", created_at="", updated_at="",
    )  # fmt: skip
    other = msgspec.structs.replace(one, id="adv-0123ffffffffffff", kind="vulnerable")
    said: list[tuple[By, Advisory]] = [("author", one), ("self", other)]
    found = [Finding(module=one.module, version="1.0.0", by=by, advisory=each) for by, each in said]

    def risk_of(one: Finding) -> AcceptedRisk:
        said = one.advisory
        return AcceptedRisk(one.module, one.version, COMMONS, "00" * 32, said.author, said.id)

    with pytest.raises(Conflict, match="adv-0123456789abcdef or adv-0123ffffffffffff"):
        accept(found, ["0123"], risk_of)
    # A stranger's cannot get in the way.
    accepting = accept([found[0], msgspec.structs.replace(found[1], by="other")], ["0123"], risk_of)
    assert [one.advisory for one in accepting.risks] == ["adv-0123456789abcdef"]
    assert [one.accepted for one in accepting.found] == [True, False]


async def test_they_are_listed_and_found(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    await warn(bob, ADDER)
    await warn(bob, DOUBLER, kind="superseded", range="*")
    await give(bob, alice)
    listed = (await alice.client.get("/api/advisories")).json()["advisories"]
    assert {one["module"] for one in listed} == {f"{did}/{ADDER}", f"{did}/{DOUBLER}"}
    for query in ({"module": ADDER}, {"kind": "vulnerable"}, {"module": f"{did}/{ADDER}"}):
        answer = await alice.client.get("/api/advisories", params=query)
        assert [one["kind"] for one in answer.json()["advisories"]] == ["vulnerable"], answer.text
    nobody = await alice.client.get("/api/advisories", params={"author": alice.node.identity.did})
    assert nobody.json()["advisories"] == []
    await alice.search_sees_it()
    hits = await alice.client.get("/api/search", params={"q": "wrongly", "kind": "advisory"})
    assert len(hits.json()["results"]) == 2


@pytest.mark.parametrize(
    ("said", "code"),
    [({"range": "latest"}, "invalid-range"), ({"title": " "}, "invalid-advisory"),
     ({"fixed": "soon"}, "invalid-version"), ({"module": "org.example.none"}, "unknown-module"),
     ({"kind": "boring"}, "invalid-body"), ({"replacement": "no"}, "invalid-name")],
)  # fmt: skip
async def test_what_cannot_be_said(alice: Alice, said: dict[str, str], code: str) -> None:
    await publish(alice, ADDER, "1.0.0")
    body = {"module": ADDER, "kind": "malicious", "title": "Bad"} | said
    answer = await alice.client.post("/api/advisories", json=body)
    assert answer.json()["code"] == code, answer.text
    assert (await alice.client.get("/api/advisories")).json()["advisories"] == []


async def test_what_is_only_said_for_a_try(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0")
    entries = (await alice.node.store.counts()).entries
    tried = await alice.client.post(
        "/api/advisories",
        json={"module": ADDER, "kind": "vulnerable", "title": "Bad", "dry_run": True},
    )
    assert (tried.status_code, tried.json()["title"], tried.json()["dry_run"]) == (201, "Bad", True)
    assert (await alice.client.get("/api/advisories")).json()["advisories"] == []
    assert (await alice.node.store.counts()).entries == entries
    path = f"/api/advisories/{tried.json()['id']}/withdraw"
    assert (await alice.client.post(path, json={"dry_run": True})).status_code == 404
    assert (await warn(alice, ADDER, title="Bad", range="*"))["id"] == tried.json()["id"]
    taken = await alice.client.post(path, json={"reason": "It was not.", "dry_run": True})
    assert (taken.json()["withdrawn"], taken.json()["dry_run"]) == (True, True)
    (still,) = (await alice.client.get("/api/advisories")).json()["advisories"]
    assert not still["withdrawn"]


async def test_an_unknown_advisory_is_not_withdrawn(alice: Alice) -> None:
    for id in ("adv-0123456789abcdef", "nothing"):
        answer = await alice.client.post(f"/api/advisories/{id}/withdraw", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-advisory")


def script(folder: Path, text: str) -> str:
    file = folder / "scan it.py"
    file.write_text(f"#!/usr/bin/env python3\nimport json, sys\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return f"'{file}' --strictly"


READ = 'told = json.load(sys.stdin); data = open(sys.argv[2], "rb").read()'
SAYS = {
    "allow": f'{READ}; print(json.dumps({{"verdict": "allow"}}))',
    "warn": f'{READ}; print(json.dumps({{"verdict": "warn", "reasons": [told["module"]]}}))',
    "deny": f'{READ}; assert len(data) == told["size"] and sys.argv[1] == "--strictly";'
    ' print(json.dumps({"verdict": "deny", "reasons": ["it\\x1b calls home"]}))',
}
FAILS = {
    "ended with 3": "sys.exit(3)",
    "no verdict": 'print("fine")',
    "more than": 'sys.stdout.write("x" * 1_000_000)',
    "within 1 s": "import time; time.sleep(60)",
    "reasons": 'print(json.dumps({"verdict": "deny", "reasons": ["x"] * 1000}))',
    # What it leaves behind holds its pipes open, and is in no session of its own making.
    "within 1 s ": "import subprocess; subprocess.Popen(['sleep', '20'], start_new_session=True)",
}


@pytest.mark.parametrize("says", SAYS)
async def test_a_scanner_allows_warns_and_denies(says: str, bob: Alice, tmp_path: Path) -> None:
    config = Config(install=InstallConfig(scanner=script(tmp_path, SAYS[says])))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        did = await shared(alice, bob)
        answer = await alice.client.post("/api/install", json={"requirements": [ADDER]})
        if says == "deny":
            assert (answer.status_code, answer.json()["code"]) == (422, "scanner-denied")
            assert "it\\\\x1b calls home" in answer.text
            assert await versions(alice) == {}
            return
        assert answer.status_code == 200, answer.text
        warned = [f"{did}/{ADDER}" in warning for warning in answer.json()["warnings"]]
        assert warned == ([True] if says == "warn" else [])
        # What is here was looked at; nothing is asked of it again.
        assert (await install(alice, ADDER))["installed"] == []


@pytest.mark.parametrize(
    "fails", [*FAILS, "none' cannot be started: No such file", "No closing quotation"]
)
async def test_a_scanner_that_fails_installs_nothing(
    fails: str, bob: Alice, tmp_path: Path
) -> None:
    missing = {
        "none' cannot be started: No such file": str(tmp_path / "none"),
        "No closing quotation": "'x",
    }
    command = missing.get(fails) or script(tmp_path, FAILS[fails])
    config = Config(install=InstallConfig(scanner=command, scanner_timeout_s=1))
    if not fails.startswith("within 1 s"):
        config = Config(install=InstallConfig(scanner=command))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        await shared(alice, bob)
        answer = await alice.client.post("/api/install", json={"requirements": [ADDER]})
        assert (answer.status_code, answer.json()["code"]) == (422, "scanner-failed")
        assert fails.strip() in answer.json()["detail"], answer.text
        assert await versions(alice) == {}
