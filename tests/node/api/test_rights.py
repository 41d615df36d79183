"""Rights over HTTP: given, passed on, taken back, explained; and work that fell, made again."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    decode_capability,
    delegate,
    encode_capability,
    own,
)
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    device_capabilities,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.did import decode_did_key, encode_did_key
from crdt.document import Document, Editor
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.equivocation import Equivocation, check_proof
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Heartbeat, Revoke
from node.failure import Json
from node.home import Home
from node.identity import export_author, import_author, load_or_create, open_author
from node.invites import read_code
from node.services import explain
from node.services.ages import OLD_S
from storage.errors import StorageError
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, CAROL, Person
from tests.storage.test_namespaces import GROUP, NAMESPACE

ADD = "org.example.add"
BOBS_ROOT, CAROLS_ROOT = BOB.did, CAROL.did
PASSPHRASE = "correct horse battery"


async def post(alice: Alice, path: str, body: dict[str, Any], status: int = 200) -> Json:
    answer = await alice.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    told: Json = answer.json()
    return told


async def get(alice: Alice, path: str) -> Json:
    answer = await alice.client.get(path)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


def record_of(alice: Alice) -> DocumentId:
    return DocumentId(COMMONS, alice.node.identity.author, "pub", "mod", ADD.encode())


async def guild(alice: Alice) -> str:
    return str((await post(alice, "/api/namespaces", {"name": "guild"}, 201))["did"])


async def let_in(alice: Alice, person: Person = BOB) -> Signer:
    """`person`'s device, made a publisher of her module."""
    made = await post(alice, "/api/grants", {"to": person.did, "record": ADD}, 201)
    (encoded,) = read_code(made["code"]).capabilities
    given = decode_capability(encoded)
    device = person.signer.device
    handed = delegate(given, person.root, given.granted_area, device.public)
    return Signer(device, AuthorKey(person.root.public), {"pub": encode_capability(handed)})


def did_of_device(alice: Alice) -> str:
    return alice.node.identity.device_did


def put(key: str, value: str) -> Callable[[Editor], None]:
    return lambda editor: editor.put(("head", key), value)


async def head(alice: Alice) -> Any:  # noqa: ANN401 - whatever the document has there
    state = await alice.node.store.read(record_of(alice))
    assert state is not None
    return state.value["head"]


async def worked_together(alice: Alice) -> Signer:
    """Alice publishes, bob writes, alice builds on it."""
    await post(alice, "/api/modules", new_module(), 201)
    bob = await let_in(alice)
    store = alice.node.store
    await store.commit(record_of(alice), put("bob", "one"), bob)
    await store.commit(record_of(alice), put("license", "on bob's"), alice.node.identity.signer)
    return bob


# ── giving ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_publisher_is_given_one_record(alice: Alice) -> None:
    made = await post(
        alice, "/api/grants", {"to": BOB.did, "record": ADD, "until": "2100-01-01"}, 201
    )
    (right,) = made["capabilities"]
    assert right["area"] == f"{alice.node.identity.did}/pub/mod/{ADD}@..2100-01-01T00:00:00Z"
    assert (right["receiver"], right["mode"], right["state"]) == (BOB.did, "write", "valid")
    assert f"the module {ADD} of you" in right["words"]
    code = read_code(made["code"])
    assert (code.receiver, code.giver) == (BOB.root.public, alice.node.identity.author)
    listed = await get(alice, "/api/capabilities?which=given")
    assert [one["digest"] for one in listed["given"]] == [right["digest"]]
    assert listed["capabilities"] == []
    assert (await get(alice, "/api/capabilities?which=held"))["given"] == []


async def test_the_three_usual_rights_of_a_group(alice: Alice) -> None:
    did = await guild(alice)
    body = {"to": BOB.did, "rights": ["read", "write", "admin"], "namespace": "guild"}
    made = await post(alice, "/api/grants", body, 201)
    assert [(one["mode"], one["area"]) for one in made["capabilities"]] == [
        ("read", "*"),
        ("write", BOB.did),
        ("write", "*"),
    ]
    code = read_code(made["code"])
    assert dict(code.namespaces) == {decode_did_key(did): "guild"}
    assert len(code.rights) == 3
    assert made["note"] == ""


async def test_a_right_to_write_alone_is_said_to_read_nothing(alice: Alice) -> None:
    await guild(alice)
    body = {"to": BOB.did, "rights": ["write"], "namespace": "guild"}
    made = await post(alice, "/api/grants", body, 201)
    assert "no right to read" in made["note"]
    assert "--read" in made["note"]
    await post(alice, "/api/modules", new_module(), 201)
    public = await post(alice, "/api/grants", {"to": BOB.did, "record": ADD}, 201)
    assert public["note"] == "", "everybody reads commons"


async def test_a_record_of_which_nothing_is_here_is_said_to_be_one(alice: Alice) -> None:
    """It may have been mistyped, or be still to come: the right is given all the same."""
    await post(alice, "/api/modules", new_module(), 201)
    did = alice.node.identity.did
    for record, whole in (
        (f"{ADD}.typo", f"{did}/{ADD}.typo"),
        ("pub/uni/earth", f"{did}/universe/earth"),
        ("pub/odd/earth", f"{did}/pub/odd/earth"),
    ):
        made = await post(alice, "/api/grants", {"to": BOB.did, "record": record}, 201)
        assert made["note"].startswith(f"Nothing is held here of {whole}: ")
        assert made["code"]
    made = await post(alice, "/api/grants", {"to": BOB.did, "area": f"{did}/pub/mod/io.x"}, 201)
    assert made["note"] == "", "an area is meant for what is to come"
    did = await guild(alice)
    body = {"to": BOB.did, "record": ADD, "namespace": "guild"}
    note = (await post(alice, "/api/grants", body, 201))["note"]
    assert "Nothing is held here" in note, "it is published elsewhere"
    assert "no right to read" in note
    whole_guild = {"to": did_of_device(alice), "rights": ["admin"], "namespace": "guild"}
    (right,) = (await post(alice, "/api/grants", whole_guild, 201))["capabilities"]
    passed = {"to": BOB.did, "capability": right["digest"], "record": ADD}
    note = (await post(alice, "/api/grants", passed, 201))["note"]
    assert "Nothing is held here" in note, "where it is passed on, there it is looked for"


async def test_who_is_let_in_for_one_record_can_take_back_what_they_passed_on(
    alice: Alice, tmp_path: Path
) -> None:
    """A device of theirs that is lost, above all: without a voice of their own they could not."""
    did = await guild(alice)
    record = f"{alice.node.identity.did}/{ADD}"
    async with open_alice(tmp_path / "bob") as bob:
        me, phone = bob.node.identity.did, CAROL.signer.device.public
        body: dict[str, Any] = {"to": me, "record": ADD, "namespace": "guild"}
        made = await post(alice, "/api/grants", {**body, "until": "2100-01-01"}, 201)
        assert [one["area"].partition("@")[0] for one in made["capabilities"]] == [
            record.replace("/", "/pub/mod/"),
            f"{me}/_auth",
        ]
        assert {one["until"] for one in made["capabilities"]} == {"2100-01-01T00:00:00Z"}
        await post(bob, "/api/invites/accept", {"code": made["code"]})
        await post(bob, "/api/devices", {"device": encode_did_key(phone)}, 201)
        (lent,) = await bob.node.store.capabilities_held(
            NamespaceKey(decode_did_key(did)), receiver=phone
        )
        assert lent.capability.granted_area.path == (b"pub", b"mod", ADD.encode())
        lost = {"device": encode_did_key(phone), "dry_run": False}
        removed = await post(bob, "/api/devices/revoke", lost)
        assert (removed["silent"], set(removed["namespaces"])) == ([], {"commons", did})
        assert await bob.node.store.is_cut(lent.capability)
        # It reaches down only: to revoke whoever let him in changes nothing.
        root = {"key": alice.node.identity.did, "namespace": "guild"}
        await post(bob, "/api/revocations", root)
        held = await bob.node.store.capabilities_held(receiver=bob.node.identity.author)
        assert [await bob.node.store.is_cut(one.capability) for one in held] == [False, False]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"to": BOBS_ROOT}, 400, "bad-grant"),
        ({"to": BOBS_ROOT, "rights": ["write"]}, 400, "bad-grant"),
        ({"to": BOBS_ROOT, "rights": ["read"], "record": ADD}, 400, "bad-grant"),
        ({"to": BOBS_ROOT, "record": ADD, "area": "*"}, 400, "bad-area"),
        ({"to": BOBS_ROOT, "area": f"{CAROLS_ROOT}/pub"}, 403, "no-capability"),
        ({"to": BOBS_ROOT, "record": f"{CAROLS_ROOT}/{ADD}"}, 403, "no-capability"),
        ({"to": BOBS_ROOT, "area": "me/_auth"}, 403, "no-capability"),
        ({"to": BOBS_ROOT, "record": ADD, "until": "soon"}, 400, "bad-date"),
        ({"to": BOBS_ROOT, "record": ADD, "until": "2020-01-01"}, 400, "bad-date"),
        ({"to": BOBS_ROOT, "record": ADD, "until": "0001-01-01"}, 400, "bad-date"),
        ({"to": BOBS_ROOT, "area": "me/pub/mod@..2020-01-01"}, 400, "bad-date"),
        ({"to": BOBS_ROOT, "capability": "00" * 8, "area": "*@..2020-01-01"}, 400, "bad-date"),
        ({"to": "nobody", "record": ADD}, 404, "unknown-petname"),
        ({"to": BOBS_ROOT, "record": ADD, "namespace": "guild"}, 404, "unknown-namespace"),
        ({"to": BOBS_ROOT, "capability": "00" * 8}, 404, "unknown-capability"),
        ({"to": BOBS_ROOT, "capability": "00" * 8, "rights": ["read"]}, 400, "bad-grant"),
    ],
)  # fmt: skip
async def test_what_cannot_be_given(
    alice: Alice, body: dict[str, Any], status: int, code: str
) -> None:
    assert (await post(alice, "/api/grants", body, status))["code"] == code


async def test_nobody_gives_rights_to_themselves(alice: Alice) -> None:
    body = {"to": alice.node.identity.did, "record": ADD}
    assert (await post(alice, "/api/grants", body, 400))["code"] == "bad-grant"


async def test_what_is_held_is_passed_on_narrowed(alice: Alice) -> None:
    await guild(alice)
    held = (await get(alice, "/api/capabilities?which=held&namespace=guild"))["capabilities"]
    whole = next(
        one
        for one in held
        if (one["area"], one["mode"]) == ("*", "write") and len(one["chain"]) == 2
    )
    body = {"to": BOB.did, "capability": whole["digest"][:16], "area": f"{BOB.did}/pub"}
    (made,) = (await post(alice, "/api/grants", body, 201))["capabilities"]
    assert (made["area"], len(made["chain"])) == (f"{BOB.did}/pub", 3)
    part = next(one for one in held if one["path"] == "/pub" and one["mode"] == "write")
    wider = {"to": BOB.did, "capability": part["digest"][:16], "area": "*/rate"}
    assert (await post(alice, "/api/grants", wider, 403))["code"] == "wider-than-parent"


async def test_what_is_passed_on_ends_with_what_it_is_made_of(alice: Alice) -> None:
    store, me = alice.node.store, alice.node.identity.author
    root = Capability(WRITE, COMMONS, AuthorKey(BOB.root.public))
    start, end = (tai_from_unix_us(year * 1_000_000) for year in (1_700_000_000, 4_000_000_000))
    for_a_time = replace(Area(AuthorKey(BOB.root.public)), start=start, end=end)
    held = delegate(root, BOB.root, for_a_time, me)
    kept = await store.keep_capability(encode_capability(held), "invite")
    body = {"to": CAROL.did, "capability": kept.digest.hex()[:16], "area": f"{BOB.did}/pub"}
    for more, ends in (({}, end), ({"until": "2090-01-01"}, None), ({"until": "2100-01-01"}, end)):
        made = await post(alice, "/api/grants", {**body, **more}, 201)
        (right,) = read_code(made["code"]).rights
        area = right.granted_area
        assert (area.start, area.path) == (start, (b"pub",))
        assert area.end == ends or (ends is None and area.end and area.end < end)


async def test_how_a_right_stands_is_told_of_each(alice: Alice) -> None:
    """Of one that ended in a part only, and of one whose time has not begun."""

    async def states() -> dict[str, str]:
        given = (await get(alice, "/api/capabilities?which=given"))["given"]
        return {one["receiver"]: one["state"] for one in given}

    for who, area in ((BOB.did, "*/pub"), (CAROL.did, "*/pub@2100-01-01..")):
        await post(alice, "/api/grants", {"to": who, "area": area}, 201)
    assert await states() == {BOB.did: "valid", CAROL.did: "early"}
    await post(alice, "/api/revocations", {"key": BOB.did, "record": ADD})
    assert await states() == {BOB.did: "cut", CAROL.did: "early"}
    await post(alice, "/api/revocations", {"key": BOB.did, "area": "*/rate"})
    assert (await states())[BOB.did] == "cut"
    for who in (BOB.did, CAROL.did):
        await post(alice, "/api/revocations", {"key": who})
    assert await states() == {BOB.did: "revoked", CAROL.did: "revoked"}


async def test_what_was_taken_back_is_given_to_nobody(alice: Alice) -> None:
    store, me = alice.node.store, alice.node.identity.author
    bobs = AuthorKey(BOB.root.public)
    root = Capability(WRITE, COMMONS, bobs)
    held = delegate(root, BOB.root, Area(bobs, (b"pub",)), me)
    await store.keep_capability(encode_capability(held), "invite")
    body = {"to": CAROL.did, "area": f"{BOB.did}/pub/mod/io.bob.horn"}
    await post(alice, "/api/grants", body, 201)
    hand = Signer(BOB.root, bobs, {AUTHORITY: encode_capability(root)})
    log = log_of(COMMONS, bobs, AUTHORITY)
    said = sign_statement(Revoke(me), log, seq=1, signer=hand, prev=None, timestamp=1)
    await store.receive([said], source="peer")
    assert (await post(alice, "/api/grants", body, 403))["code"] == "no-capability"


@pytest.mark.parametrize("more", [{}, {"area": "*/pub"}])
async def test_a_right_passed_on_until_a_date_ends_then(alice: Alice, more: dict[str, str]) -> None:
    await guild(alice)
    held = (await get(alice, "/api/capabilities?which=held&namespace=guild"))["capabilities"]
    whole = next(one for one in held if (one["area"], one["mode"]) == ("*", "write"))
    body = {"to": BOB.did, "capability": whole["digest"], "until": "2090-01-01", **more}
    (made,) = (await post(alice, "/api/grants", body, 201))["capabilities"]
    assert made["until"] == "2090-01-01T00:00:00Z"


async def test_what_has_expired_or_is_too_long_is_not_passed_on(alice: Alice) -> None:
    store, me = alice.node.store, alice.node.identity.author
    root = Capability(WRITE, COMMONS, AuthorKey(BOB.root.public))
    old = delegate(root, BOB.root, Area(AuthorKey(BOB.root.public), end=5), me)
    await store.keep_capability(encode_capability(old), "invite")
    long = root
    keys = [SigningKey.from_seed(os.urandom(32)) for _ in range(15)]
    givers = [BOB.root, *keys]
    for giver, taker in zip(givers, [*keys, None], strict=True):
        long = delegate(long, giver, long.granted_area, taker.public if taker else me)
    await store.keep_capability(encode_capability(long), "invite")
    held = (await get(alice, "/api/capabilities"))["capabilities"]
    by_state = {one["state"]: one["digest"] for one in held}
    for state, code in (("expired", "expired"), ("valid", "too-many-delegations")):
        body = {"to": CAROL.did, "capability": by_state[state]}
        assert (await post(alice, "/api/grants", body, 403))["code"] == code


async def test_a_sealed_key_asks_for_its_passphrase(tmp_path: Path) -> None:
    home = Home(tmp_path / "first")
    home.make()
    load_or_create(home, os.urandom)
    exported = export_author(home, PASSPHRASE, os.urandom)
    sealed = Home(tmp_path / "sealed")
    import_author(sealed, exported, PASSPHRASE, os.urandom)
    async with open_alice(tmp_path / "sealed") as alice:
        body = {"to": BOB.did, "record": ADD}
        assert (await post(alice, "/api/grants", body, 403))["code"] == "sealed"
        await post(alice, "/api/grants", {**body, "passphrase": PASSPHRASE}, 201)
        plan = {"key": BOB.did, "dry_run": True}
        assert (await post(alice, "/api/revocations", plan))["gone"] == [], "to look needs no key"
        assert (await post(alice, "/api/revocations", {"key": BOB.did}, 403))["code"] == "sealed"
        await post(alice, "/api/revocations", {"key": BOB.did, "passphrase": PASSPHRASE})


# ── taking back ──────────────────────────────────────────────────────────────────────────────────


async def test_the_usual_revocation_takes_nothing_out(alice: Alice) -> None:
    await worked_together(alice)
    plan = await post(alice, "/api/revocations", {"key": BOB.did, "dry_run": True})
    assert (plan["gone"], plan["documents_kept"], plan["statement"]) == ([], 1, None)
    assert (await get(alice, "/api/statements"))["statements"] == []
    await post(alice, "/api/revocations", {"key": BOB.did, "reason": "moved on"})
    assert (await head(alice))["bob"] == "one"
    (given,) = (await get(alice, "/api/capabilities"))["given"]
    assert given["state"] == "revoked"
    assert given["revocations"][0]["reason"] == "moved on"


async def test_who_takes_back_what_was_never_given_there_is_told_so(alice: Alice) -> None:
    """Else one who forgot --namespace would think that it was done."""
    await guild(alice)
    to_write = {"to": BOB.did, "rights": ["write"], "namespace": "guild"}
    await post(alice, "/api/grants", to_write, 201)
    plan = {"key": BOB.did, "dry_run": True}
    assert "--namespace" in (await post(alice, "/api/revocations", plan))["note"]
    assert (await post(alice, "/api/revocations", {**plan, "namespace": "guild"}))["note"] == ""
    elsewhere = {**plan, "namespace": "guild", "area": CAROL.did}
    assert (await post(alice, "/api/revocations", elsewhere))["note"] != ""
    bob = await let_in(alice)
    assert (await post(alice, "/api/revocations", plan))["note"] == ""
    device = {"key": encode_did_key(bob.device.public), "dry_run": True}
    assert (await post(alice, "/api/revocations", device))["note"] != "", "never seen in use"
    await post(alice, "/api/modules", new_module(), 201)
    await alice.node.store.commit(record_of(alice), put("bob", "one"), bob)
    assert (await post(alice, "/api/revocations", device))["note"] == ""


async def test_what_strangers_say_hides_no_revocation(alice: Alice) -> None:
    """Keys are free, and so are a hundred heartbeats of each."""
    await worked_together(alice)
    await post(alice, "/api/revocations", {"key": BOB.did, "reason": "moved on"})
    await guild(alice)
    key = AuthorKey(CAROL.root.public)
    hand = Signer(CAROL.root, key, {AUTHORITY: encode_capability(Capability(WRITE, COMMONS, key))})
    log, prev = log_of(COMMONS, key, AUTHORITY), None
    for seq in range(1, 103):
        what = Heartbeat() if seq % 2 else Revoke(bytes([seq]) * 32)
        said = sign_statement(what, log, seq=seq, signer=hand, prev=prev, timestamp=seq)
        prev = said.entry.payload_digest
        await alice.node.store.receive([said], source="peer")
    (one,) = (await get(alice, "/api/statements?type=revoke"))["statements"]
    assert (one["key"], one["reason"]) == (BOB.did, "moved on")
    assert (await get(alice, "/api/statements"))["statements"] == [one]
    assert (await get(alice, "/api/statements?namespace=guild"))["statements"] == []
    assert (await get(alice, "/api/statements?type=heartbeat"))["statements"] == []


async def test_a_dry_run_lists_exactly_what_goes_and_whose_honest_work(alice: Alice) -> None:
    await worked_together(alice)
    body = {"key": BOB.did, "since": "2001-01-01", "dry_run": True}
    plan = await post(alice, "/api/revocations", body)
    told = (await get(alice, f"/api/explain?what={ADD}"))["left_out"]
    assert told == []
    sums = {(one["who"], one["code"]): (one["entries"], one["is_others"]) for one in plan["sums"]}
    assert sums == {
        (f"a device of {BOB.did}", "revoked"): (1, False),
        ("this device", "excluded-dependency"): (1, True),
    }
    record = f"{alice.node.identity.did}/{ADD}"
    assert {one["record"] for one in plan["gone"]} == {record}
    done = await post(alice, "/api/revocations", {**body, "dry_run": False})
    assert done["gone"] == plan["gone"]
    fell = (await get(alice, f"/api/explain?what={ADD}"))["left_out"]
    assert {one["entry"] for one in fell} == {one["entry"] for one in plan["gone"]}


async def test_since_an_entry_takes_out_that_and_what_came_later(alice: Alice) -> None:
    bob = await worked_together(alice)
    second = await alice.node.store.commit(record_of(alice), put("bob", "two"), bob)
    assert second is not None
    body = {"key": BOB.did, "since": second.id.hex(), "dry_run": True}
    assert [one["entry"] for one in (await post(alice, "/api/revocations", body))["gone"]] == [
        second.id.hex()
    ]


async def test_since_an_entry_that_is_named_by_as_few_digits_as_elsewhere(alice: Alice) -> None:
    await worked_together(alice)
    place = record_of(alice)
    told = [one for one in await alice.node.store.told(place) if not one.id.hex()[:8].isdecimal()]
    plan = {"key": BOB.did, "since": told[-1].id.hex()[:8], "dry_run": True}
    assert (await post(alice, "/api/revocations", plan))["documents_kept"] == 1


async def test_one_record_is_taken_from_a_publisher_of_two(alice: Alice) -> None:
    await worked_together(alice)
    other = {"to": BOB.did, "record": "org.example.other"}
    await post(alice, "/api/grants", other, 201)
    await post(alice, "/api/revocations", {"key": BOB.did, "record": ADD})
    states = {one["path"]: one["state"] for one in (await get(alice, "/api/capabilities"))["given"]}
    assert states == {f"/pub/mod/{ADD}": "revoked", "/pub/mod/org.example.other": "valid"}


async def test_a_revocation_is_taken_back(alice: Alice) -> None:
    await worked_together(alice)
    before = await head(alice)
    done = await post(alice, "/api/revocations", {"key": BOB.did, "since": "2001-01-01"})
    assert "bob" not in await head(alice)
    name = {"statement": done["statement"][:16]}
    plan = await post(alice, "/api/unrevocations", {**name, "dry_run": True})
    assert {one["entry"] for one in plan["back"]} == {one["entry"] for one in done["gone"]}
    await post(alice, "/api/unrevocations", name)
    assert await head(alice) == before
    assert (await post(alice, "/api/unrevocations", name, 409))["code"] == "not-in-force"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("revocations", {"key": BOBS_ROOT, "area": "*@..2100-01-01"}, 400, "bad-area"),
        ("revocations", {"key": BOBS_ROOT, "since": "yesterday"}, 400, "bad-date"),
        ("revocations", {"key": BOBS_ROOT, "since": "00" * 32}, 404, "unknown-entry"),
        ("unrevocations", {"statement": "00" * 32}, 404, "unknown-statement"),
        ("unrevocations", {"statement": "0" * 9}, 404, "unknown-statement"),
        ("checkpoints", {"keep": "00" * 32}, 404, "unknown-entry"),
        ("reapply", {"record": f"nobody/{ADD}"}, 404, "unknown-petname"),
    ],
)
async def test_what_cannot_be_said(
    alice: Alice, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert (await post(alice, f"/api/{path}", body, status))["code"] == code


async def test_who_was_cut_off_is_given_nothing_until_that_is_taken_back(alice: Alice) -> None:
    """However it is given: a code that is of no use helps nobody."""
    await guild(alice)
    held = (await get(alice, "/api/capabilities?which=held&namespace=guild"))["capabilities"]
    whole = next(one for one in held if (one["area"], one["mode"]) == ("*", "write"))
    ways: list[tuple[str, dict[str, Any]]] = [
        ("/api/grants", {"to": BOB.did, "rights": ["write"], "namespace": "guild"}),
        ("/api/grants", {"to": BOB.did, "capability": whole["digest"]}),
        ("/api/invites", {"receiver": BOB.did, "level": "write", "namespace": "guild"}),
    ]
    body = {"key": BOB.did, "namespace": "guild"}
    said = (await post(alice, "/api/revocations", body))["statement"]
    for path, wanted in ways:
        refused = await post(alice, path, wanted, 409)
        assert refused["code"] == "receiver-revoked"
        assert f"cap unrevoke {said[:12]}" in refused["detail"]
    assert (await get(alice, "/api/capabilities?which=given&namespace=guild"))["given"] == []
    others = {"to": CAROL.did, "rights": ["write"], "namespace": "guild"}
    await post(alice, "/api/grants", others, 201)
    await post(alice, "/api/unrevocations", {"statement": said})
    for path, wanted in ways:
        await post(alice, path, wanted, 201)


async def test_a_key_does_not_take_itself_back(alice: Alice) -> None:
    body = {"key": alice.node.identity.did}
    assert (await post(alice, "/api/revocations", body, 400))["code"] == "bad-grant"


async def test_what_others_said_only_they_take_back(alice: Alice) -> None:
    log = log_of(COMMONS, AuthorKey(BOB.root.public), AUTHORITY)
    right = encode_capability(Capability(WRITE, COMMONS, BOB.root.public))
    hand = Signer(BOB.root, log.subspace, {AUTHORITY: right})
    revoke = sign_statement(Revoke(b"k" * 32), log, seq=1, signer=hand, prev=None, timestamp=1)
    digest = revoke.entry.payload_digest
    beat = sign_statement(Heartbeat(), log, seq=2, signer=hand, prev=digest, timestamp=2)
    await alice.node.store.receive([revoke, beat], source="peer")
    body = {"statement": revoke.id.hex()}
    assert (await post(alice, "/api/unrevocations", body, 403))["code"] == "no-capability"
    body = {"statement": beat.id.hex()}
    assert (await post(alice, "/api/unrevocations", body, 400))["code"] == "not-a-revocation"


# ── explaining ───────────────────────────────────────────────────────────────────────────────────


async def test_who_could_write_here_and_why(alice: Alice) -> None:
    await worked_together(alice)
    await post(alice, "/api/revocations", {"key": BOB.did, "since": "2001-01-01", "reason": "no"})
    found = await get(alice, f"/api/explain?what={ADD}")
    writers = {
        one["right"]["receiver"]: (one["right"]["state"], one["counted"], one["left_out"])
        for one in found["writers"]
    }
    assert writers == {
        alice.node.identity.device_did: ("valid", 1, {"excluded-dependency": 1}),
        encode_did_key(BOB.signer.device.public): ("revoked", 0, {"revoked": 1}),
        BOB.did: ("revoked", 0, {}),
    }
    assert (found["left_out_count"], found["alarms"]) == (2, [])
    reasons = {one["code"]: one for one in found["left_out"]}
    assert reasons["revoked"]["revocations"][0]["reason"] == "no"
    assert "unrevoke" in reasons["revoked"]["may_return"]
    assert "reapply" in reasons["excluded-dependency"]["may_return"]
    one = await get(alice, f"/api/explain?what={reasons['revoked']['entry'][:8]}")
    assert one["entry"] == reasons["revoked"]
    assert one["record"] == found["record"]


async def test_publishers_are_those_who_were_let_in(alice: Alice) -> None:
    await post(alice, "/api/modules", new_module(), 201)
    path = f"/api/modules/{ADD}/publishers"
    assert (await get(alice, path))["publishers"] == []
    await let_in(alice)
    (publisher,) = (await get(alice, path))["publishers"]
    assert (publisher["receiver"], publisher["state"]) == (BOB.did, "valid")
    await post(alice, "/api/revocations", {"key": BOB.did, "record": ADD})
    (publisher,) = (await get(alice, path))["publishers"]
    assert publisher["state"] == "revoked"


async def test_what_is_not_here_cannot_be_explained(alice: Alice) -> None:
    for what, code in (("io.nobody.knows", "unknown-module"), ("00" * 8, "unknown-entry")):
        answer = await alice.client.get(f"/api/explain?what={what}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


# ── making again ─────────────────────────────────────────────────────────────────────────────────


async def test_own_work_that_fell_is_made_again(alice: Alice) -> None:
    await worked_together(alice)
    await post(alice, "/api/revocations", {"key": BOB.did, "since": "2001-01-01"})
    assert (await head(alice))["license"] == "MIT"
    plan = await post(alice, "/api/reapply", {"record": ADD, "dry_run": True})
    assert plan["places"] == [{"place": "head/license", "value": "on bob's"}]
    assert (plan["changes"], plan["entry"]) == (1, None)
    assert (await head(alice))["license"] == "MIT"
    done = await post(alice, "/api/reapply", {"record": ADD})
    assert done["entry"]
    value = await head(alice)
    assert value["license"] == "on bob's"
    assert "bob" not in value
    again = await post(alice, "/api/reapply", {"record": ADD})
    assert again["entry"] is None, "there is nothing left to change"


# ── checkpoints, heartbeats, ages ────────────────────────────────────────────────────────────────


async def test_a_checkpoint_has_what_is_held_of_oneself(alice: Alice) -> None:
    await worked_together(alice)
    assert (await post(alice, "/api/checkpoints", {}, 201))["documents"] == 1
    (said,) = (await get(alice, "/api/statements"))["statements"]
    assert said["type"] == "checkpoint"


async def test_an_old_namespace_is_warned_of_until_its_key_speaks(tmp_path: Path) -> None:
    now = [1_800_000_000_000_000]
    async with open_alice(tmp_path / "alice", clock=lambda: now[0]) as alice:
        await guild(alice)

        async def age() -> tuple[float | None, bool]:
            alice.client.headers.update(alice.bearer())
            listed = (await get(alice, "/api/namespaces"))["namespaces"]
            warnings = (await get(alice, "/api/status"))["warnings"]
            return listed[1]["authority_age_s"], any("heartbeat" in one for one in warnings)

        assert await age() == (None, False)
        await post(alice, "/api/heartbeats", {"namespace": "guild"}, 201)
        assert await age() == (0, False)
        now[0] += int(OLD_S * 1_000_000) + 5_000_000
        told, is_warned = await age()
        assert told == pytest.approx(OLD_S + 5, abs=1)
        assert is_warned
        await post(alice, "/api/heartbeats", {"namespace": "guild"}, 201)
        assert await age() == (0, False)


async def test_a_key_in_two_places_is_an_alarm(alice: Alice) -> None:
    await post(alice, "/api/modules", new_module(), 201)
    identity = alice.node.identity
    await forked(alice, Person(open_author(alice.node.home), identity.signer))
    await forked(alice, BOB)
    warnings = (await get(alice, "/api/status"))["warnings"]
    alarms = [one for one in warnings if "ALARM" in one]
    assert [identity.did in one for one in alarms] == [True], "bob is nobody to her"
    answer = await alice.client.put("/api/names/bob", json={"author": BOB.did})
    assert answer.status_code in (200, 201), answer.text
    warnings = (await get(alice, "/api/status"))["warnings"]
    assert sum("ALARM" in one for one in warnings) == 2
    explained = await get(alice, f"/api/explain?what={ADD}")
    (alarm,), (fork,) = explained["alarms"], explained["forks"]
    assert "two places" in alarm
    assert (fork["key"], fork["who"], fork["seq"]) == (identity.did, "you", 1)
    assert [one["counts"] for one in fork["entries"]] == [True, True]
    proved = await proof_of(alice, fork["entries"][0]["entry"])
    assert {one.id.hex() for one in proved.entries} == {one["entry"] for one in fork["entries"]}
    assert (proved.key, proved.document.cls) == (identity.author, AUTHORITY)


async def proof_of(alice: Alice, entry: str) -> Equivocation:
    answer = await alice.client.get(f"/api/proofs/{entry}")
    assert answer.status_code == 200, answer.text
    return check_proof(answer.content, CapabilityCache())


async def forked(alice: Alice, person: Person) -> None:
    """Two statements of one number by somebody else's root key."""
    key = AuthorKey(person.root.public)
    right = encode_capability(Capability(WRITE, COMMONS, key))
    hand = Signer(person.root, key, {AUTHORITY: right})
    log = log_of(COMMONS, key, AUTHORITY)
    for cut in (b"a" * 32, b"b" * 32):
        twin = sign_statement(Revoke(cut), log, seq=1, signer=hand, prev=None, timestamp=1)
        await alice.node.store.receive([twin], source="peer")


async def test_of_two_branches_the_one_that_is_named_counts(alice: Alice) -> None:
    await post(alice, "/api/modules", new_module(), 201)
    bob, store, place = await let_in(alice), alice.node.store, record_of(alice)
    (base,) = await store.told(place)
    (signed,) = await store.entries(COMMONS, [base.id[:16]])
    await store.commit(place, put("bob", "left"), bob)
    await store.receive([twin_of(signed, place, bob)], source="peer")
    told = {one.code: one for one in await store.told(place)}
    before, lost = (await head(alice))["bob"], told["lost-branch"]
    (fork,) = (await get(alice, f"/api/explain?what={ADD}"))["forks"]
    assert [one["code"] for one in fork["entries"]] == [None, "lost-branch"]
    for one in fork["entries"]:  # either names the two
        proved = await proof_of(alice, one["entry"][:16])
        assert (proved.key, proved.document, proved.seq) == (bob.device.public, place, 1)
    answer = await alice.client.get(f"/api/proofs/{base.id.hex()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-equivocation")
    body = {"keep": lost.id.hex()}
    await post(alice, "/api/checkpoints", body, 201)
    assert {before, (await head(alice))["bob"]} == {"left", "right"}
    assert (await post(alice, "/api/checkpoints", body, 400))["code"] == "bad-request"
    # Two checkpoints that name both say nothing: votes decide, here for the one that won at first,
    # and nobody can choose against that any more.
    (other,) = [one for one in await store.told(place) if one.code == "lost-branch"]
    await post(alice, "/api/checkpoints", {"keep": other.id.hex()}, 201)
    assert (await head(alice))["bob"] == before
    assert (await post(alice, "/api/checkpoints", body, 409))["code"] == "would-not-count"


def twin_of(base: SignedEntry, place: DocumentId, hand: Signer) -> SignedEntry:
    """The device's first change made a second time, with another text."""
    draft = Document.open("pub", "mod", hand.device.public)
    draft.receive([check_entry(base, CapabilityCache()).raw])
    raw = draft.change(put("bob", "right"))
    assert raw is not None
    return sign_change(raw, place, signer=hand, prev=None, timestamp=1)


async def test_an_administrator_gives_and_takes_back_without_the_namespaces_key(
    alice: Alice,
) -> None:
    """The guild is another's; alice was let in to administer it."""
    me, store = alice.node.identity.author, alice.node.store
    for mode in (WRITE, READ):
        given = delegate(own(GROUP, mode, GROUP.public), GROUP, Area(), me)
        body = {"capability": encode_capability(given).hex()}
        await post(alice, "/api/capabilities", body, 201)
    did = encode_did_key(GROUP.public)
    await post(alice, "/api/namespaces", {"name": "guild", "did": did}, 201)
    await post(alice, "/api/modules", {**new_module(), "namespace": "guild"}, 201)
    grant = {"to": BOB.did, "rights": ["write"], "namespace": "guild"}
    made = await post(alice, "/api/grants", grant, 201)
    (right,) = read_code(made["code"]).rights
    device = BOB.signer.device.public
    handed = encode_capability(delegate(right, BOB.root, right.granted_area, device))
    place = DocumentId(NAMESPACE, AuthorKey(BOB.root.public), "pub", "mod", b"io.bob.horn")
    hand = replace(BOB.signer, capabilities={"pub": handed})
    assert await store.commit(place, put("name", "horn"), hand)
    explained = await get(alice, f"/api/explain?what={BOB.did}/io.bob.horn&namespace=guild")
    writers = {one["right"]["receiver"]: one["counted"] for one in explained["writers"]}
    assert writers == {encode_did_key(device): 1, alice.node.identity.did: 0}
    revoke = {"key": BOB.did, "namespace": "guild", "since": "2001-01-01", "reason": "spam"}
    done = await post(alice, "/api/revocations", revoke)
    assert [one["code"] for one in done["gone"]] == ["revoked"]
    (said,) = (await get(alice, "/api/statements"))["statements"]
    assert (said["who"], said["namespace"], said["in_force"]) == ("you", did, True)
    with pytest.raises(StorageError, match="revoked"):
        await store.commit(place, put("name", "again"), hand)
    assert (await get(alice, f"/api/explain?what={ADD}&namespace=guild"))["left_out"] == []


async def test_who_was_let_in_to_write_gives_nothing_of_others(alice: Alice) -> None:
    me = alice.node.identity.author
    given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, Area(me), me)
    body = {"capability": encode_capability(given).hex()}
    await post(alice, "/api/capabilities", body, 201)
    namespace = encode_did_key(GROUP.public)
    await post(alice, "/api/namespaces", {"name": "guild", "did": namespace}, 201)
    for rights in (["admin"], ["write"], ["read"]):
        wanted = {"to": BOB.did, "rights": rights, "namespace": "guild"}
        assert (await post(alice, "/api/grants", wanted, 403))["code"] == "no-capability"


async def test_a_long_frontier_takes_nothing_out_either(alice: Alice) -> None:
    """Of 400 records it is too long for a statement, and lies in a blob."""
    root, store = open_author(alice.node.home), alice.node.store
    laptop = SigningKey.from_seed(b"l" * 32)
    rights = device_capabilities(root, DeviceKey(laptop.public))
    person = Person(root, Signer(laptop, AuthorKey(root.public), rights))
    entries = [person.publishes(f"org.example.m{n}", put("name", "m")) for n in range(400)]
    await store.receive(entries, source="peer")
    key = encode_did_key(laptop.public)
    plan = await post(alice, "/api/revocations", {"key": key, "dry_run": True})
    assert (plan["documents_kept"], plan["gone"]) == (400, [])
    await post(alice, "/api/revocations", {"key": key})
    assert await store.wanted_frontiers() == []
    assert await store.left_out() == []
    with pytest.raises(StorageError, match="revoked"):
        await store.commit(person.document("org.example.m1"), put("name", "n"), person.signer)


async def test_what_an_invite_gave_is_listed_and_taken_back_like_any_right(alice: Alice) -> None:
    await guild(alice)
    body: dict[str, object] = {"receiver": BOB.did, "namespace": "guild", "level": "write"}
    await post(alice, "/api/invites", body | {"addresses": list[str]()}, 201)
    await post(alice, "/api/revocations", {"key": BOB.did, "namespace": "guild"})
    given = (await get(alice, "/api/capabilities?which=given"))["given"]
    assert sorted((one["mode"], one["state"]) for one in given) == [
        ("read", "revoked"),
        ("write", "revoked"),
    ]


async def test_who_passes_a_right_on_to_many_keys_hides_nobody(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "WRITERS_MAX", 4)
    await post(alice, "/api/modules", new_module(), 201)
    bob = await let_in(alice)
    given = decode_capability(bob.capabilities["pub"])
    for number in range(6):
        key = SigningKey.from_seed((10_000 + number).to_bytes(32, "big"))
        passed = delegate(given, BOB.signer.device, given.granted_area, key.public)
        signer = Signer(key, bob.author, {"pub": encode_capability(passed)})
        assert await alice.node.store.commit(record_of(alice), put(f"k{number}", "x"), signer)
    await let_in(alice, CAROL)  # and she has written nothing yet
    published = (await get(alice, f"/api/modules/{ADD}/publishers"))["publishers"]
    assert {BOB.did, CAROL.did} <= {one["receiver"] for one in published}
    found = await get(alice, f"/api/explain?what={ADD}")
    receivers = {one["right"]["receiver"] for one in found["writers"]}
    assert CAROL.did in receivers
    assert len(receivers) + found["writers_more"] >= 8
    assert found["writers_more"] > 0
