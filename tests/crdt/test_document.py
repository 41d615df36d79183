"""Documents merge the same way everywhere, and nothing hostile leaves a mark on them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.document import (
    DEPTH_MAX,
    ROOTS_OTHERWISE,
    SKELETON_ACTOR,
    Document,
    Editor,
    KeyPath,
    Scalar,
    counter_value,
    load_valid,
    skeleton,
    skeleton_for,
)
from crdt.errors import CrdtError, Malformed, Unusable
from crdt.leb128 import unsigned
from crdt.preflight import CHANGE_BYTES_MAX, check_chunks, read_change
from tests.crdt import bombs

ALICE, BOB, CAROL = b"\xaa" * 32, b"\xbb" * 32, b"\xcc" * 32
MODULE = skeleton_for("pub", "mod")
Edit = Callable[[Editor], None]


def fresh(actor: bytes = ALICE) -> Document:
    return Document.open("pub", "mod", actor)


def put(path: KeyPath, value: Scalar) -> Edit:
    return lambda editor: editor.put(path, value)


def make_map(path: KeyPath) -> Edit:
    return lambda editor: editor.make_map(path)


def delete(path: KeyPath) -> Edit:
    return lambda editor: editor.delete(path)


def add_tag(path: KeyPath, tag: str, nonce: int) -> Edit:
    return lambda editor: editor.add_tag(path, tag, nonce)


def increment(path: KeyPath, by: int) -> Edit:
    return lambda editor: editor.increment(path, by)


def act(document: Document, edit: Edit) -> bytes:
    raw = document.change(edit)
    assert raw is not None
    return raw


def replica(raws: list[bytes], actor: bytes = CAROL) -> Document:
    document = fresh(actor)
    document.receive(raws)
    return document


# ── the skeleton ─────────────────────────────────────────────────────────────────────────────────


def test_skeletons_never_change() -> None:
    """These hashes are part of the protocol: a new schema is a new skeleton."""
    assert {
        ("pub", "mod"): skeleton_for("pub", "mod").hash.hex(),
        ("rate", "mod"): skeleton_for("rate", "mod").hash.hex(),
        ("rate", "fit"): skeleton_for("rate", "fit").hash.hex(),
        ("pub", "anything"): skeleton_for("pub", "anything").hash.hex(),
    } == {
        ("pub", "mod"): "c315089fefe123c141fcde4abe4d886cc84c3f0eb3f0691e48df4a7fed6bf87e",
        ("rate", "mod"): "27d81be7d1b55134b214d04cfed0468e32574826b1d99e86d35ebdaf4b8ecc14",
        ("rate", "fit"): "7a631182e2c9d5617115739ad0c12258c551541e688464ca7df234a036a41f55",
        ("pub", "anything"): "e8ca334b6e64c623a2cecdd9f894186644936c2f6155e0d99d278d410be59bdb",
    }


def test_a_skeleton_does_not_depend_on_the_order_of_its_names() -> None:
    assert skeleton(["b", "a"]) == skeleton(["a", "b"])
    assert read_change(MODULE.raw).actor == SKELETON_ACTOR


def test_a_new_document_has_its_empty_maps() -> None:
    assert fresh().to_py() == {"head": {}, "tags": {}, "versions": {}}
    other = Document.open("pub", "unheard-of", ALICE)
    assert other.to_py() == {root: {} for root in ROOTS_OTHERWISE}
    assert fresh().changes_since([]) == ()


# ── one act, one change ──────────────────────────────────────────────────────────────────────────


def test_one_act_is_one_change() -> None:
    document = fresh()

    def publish(editor: Editor) -> None:
        editor.put(("head", "name"), "clock")
        editor.make_map(("versions", "1.0.0", "dependencies"))
        editor.put(("versions", "1.0.0", "size"), 512)
        editor.put(("versions", "1.0.0", "dependencies", "io.univrs.user"), "^1.0")
        editor.add_tag(("tags",), "time", 7)

    header = read_change(act(document, publish))
    assert (header.actor, header.seq, header.dependencies) == (ALICE, 1, (MODULE.hash,))
    assert document.heads() == {header.hash}
    assert document.to_py() == {
        "head": {"name": "clock"},
        "tags": {"time": 7},
        "versions": {"1.0.0": {"dependencies": {"io.univrs.user": "^1.0"}, "size": 512}},
    }


def test_an_act_that_changes_nothing_gives_none() -> None:
    document = fresh()
    act(document, put(("head", "name"), "clock"))
    heads = document.heads()
    assert document.change(put(("head", "name"), "clock")) is None
    assert document.change(delete(("head", "no such key"))) is None
    assert document.change(make_map(("versions",))) is None
    assert document.heads() == heads


@settings(deadline=None)
@given(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=1000)
)
def test_values_come_back_as_they_were(value: Scalar) -> None:
    document = fresh()
    raw = act(document, put(("head", "value"), value))
    for read in (document, replica([raw]), Document.open("pub", "mod", BOB, document.save())):
        head = read.to_py()["head"]
        assert isinstance(head, dict)
        assert head["value"] == value
        assert type(head["value"]) is type(value)


def test_a_value_may_change_its_type() -> None:
    document = fresh()
    for value in (1, 1.5, "one", b"one", True, None):
        act(document, put(("head", "value"), value))
        assert document.to_py()["head"] == {"value": value}


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (put(("versions", "1.0.0", "size"), 1), "edit-no-map"),
        (put(("versions",), 1), "edit-is-map"),
        (put((), 1), "edit-root"),
        (put(("head", "name", "deeper"), 1), "edit-no-map"),
        (put(("head", "n"), 2**64), "edit-range"),
        (put(("head", "n"), float("nan")), "edit-range"),
        (make_map(("head", "name")), "edit-no-map"),
        (make_map(("d",) * (DEPTH_MAX + 1)), "edit-too-deep"),
        (add_tag(("nowhere",), "life", 1), "edit-no-map"),
    ],
)
def test_a_wrong_edit_leaves_the_document_as_it_was(edit: Edit, code: str) -> None:
    document = fresh()
    act(document, put(("head", "name"), "clock"))
    heads, value = document.heads(), document.to_py()

    def partly(editor: Editor) -> None:
        editor.put(("head", "half done"), True)
        edit(editor)

    with pytest.raises(Unusable) as refusal:
        document.change(partly)
    assert refusal.value.code == code
    assert (document.heads(), document.to_py()) == (heads, value)
    assert read_change(act(document, put(("head", "name"), "watch"))).seq == 2


def test_what_an_edit_raises_passes_and_leaves_no_trace() -> None:
    document = fresh()

    def interrupted(editor: Editor) -> None:
        editor.put(("head", "name"), "clock")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        document.change(interrupted)
    assert document.to_py()["head"] == {}


def test_an_act_that_no_peer_would_take_is_not_done() -> None:
    document = fresh()
    with pytest.raises(Malformed):
        document.change(put(("head", "readme"), "x" * CHANGE_BYTES_MAX))
    assert document.to_py()["head"] == {}
    assert read_change(act(document, put(("head", "readme"), "x"))).seq == 1


def test_an_editor_reads_what_it_wrote() -> None:
    def edit(editor: Editor) -> None:
        editor.make_map(("versions", "1.0.0"))
        editor.put(("versions", "1.0.0", "size"), 5)
        assert editor.get(("versions", "1.0.0", "size")) == 5
        assert editor.get(("versions", "1.0.0")) is None
        assert editor.is_map(("versions", "1.0.0"))
        assert editor.keys(("versions", "1.0.0")) == ("size",)
        editor.delete(("versions", "1.0.0"))
        assert not editor.is_map(("versions", "1.0.0"))
        assert editor.get(("versions", "1.0.0", "size")) is None
        editor.make_map(("versions", "1.0.0"))
        assert editor.keys(("versions", "1.0.0")) == ()

    act(fresh(), edit)


def test_making_a_map_that_is_there_keeps_what_is_in_it() -> None:
    alice = fresh()
    act(alice, make_map(("versions", "1.0.0")))
    act(alice, put(("versions", "1.0.0", "size"), 5))
    assert alice.change(make_map(("versions", "1.0.0"))) is None
    assert alice.to_py()["versions"] == {"1.0.0": {"size": 5}}


# ── merging ──────────────────────────────────────────────────────────────────────────────────────


def test_alice_and_bob_converge() -> None:
    alice = fresh(ALICE)
    first = act(alice, put(("head", "name"), "clock"))
    bob = replica([first], BOB)
    theirs = act(bob, put(("head", "licence"), "MIT"))
    ours = act(alice, put(("head", "description"), "tells the time"))
    alice.receive([theirs])
    bob.receive([ours])
    assert alice.to_py() == bob.to_py()
    assert alice.heads() == bob.heads()
    assert set(alice.changes_since([])) == {first, theirs, ours}
    assert set(alice.changes_since([read_change(theirs).hash])) == {ours}


def test_seq_goes_on_after_saving_and_loading() -> None:
    alice = fresh()
    act(alice, put(("head", "name"), "clock"))
    again = Document.open("pub", "mod", ALICE, alice.save())
    header = read_change(act(again, put(("head", "name"), "watch")))
    assert (header.actor, header.seq) == (ALICE, 2)


Step = tuple[int, str, str, int]  # which replica, what, which tag or peer, how much
steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["add", "remove", "count", "hear"]),
        st.sampled_from("xyz"),
        st.integers(-5, 5),
    ),
    max_size=20,
)


def live(story: list[Step]) -> tuple[list[bytes], int]:
    """What three replicas wrote over a story of edits and deliveries; and the sum they counted."""
    replicas = [fresh(actor) for actor in (ALICE, BOB, CAROL)]
    raws, counted = [act(replicas[0], make_map(("head", "count")))], 0
    for document in replicas[1:]:
        document.receive(raws)
    for nonce, (who, what, tag, by) in enumerate(story):
        document = replicas[who]
        edits = {
            "add": add_tag(("tags",), tag, nonce),
            "remove": delete(("tags", tag)),
            "count": increment(("head", "count"), by),
        }
        if what == "hear":
            document.receive(replicas["xyz".index(tag)].changes_since([]))
        elif (raw := document.change(edits[what])) is not None:
            raws.append(raw)
            counted += by if what == "count" else 0
    return raws, counted


@settings(deadline=None)
@given(steps, st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_one_state(story: list[Step], random: Random) -> None:
    """Merge is commutative, associative and idempotent; a counter counts every step once."""
    raws, counted = live(story)
    expected = load_valid(MODULE, raws, CAROL)
    shuffled = random.sample(raws, len(raws))
    at_once = replica(shuffled + shuffled)
    split = random.randrange(len(raws) + 1)
    left, right = replica(raws[:split]), fresh()
    right.receive(raws)
    left.receive(right.changes_since([]))
    left.receive(raws[:split])
    for document in (at_once, left, right):
        assert document.to_py() == expected.to_py()
        assert document.heads() == expected.heads()
    head = expected.to_py()["head"]
    assert isinstance(head, dict)
    count = head["count"]
    assert isinstance(count, dict)
    assert counter_value(count) == counted


@settings(deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.booleans())
def test_an_add_wins_over_a_concurrent_delete(first: int, second: int, bob_first: bool) -> None:
    alice = fresh(ALICE)
    raws = [act(alice, add_tag(("tags",), "life", first))]
    bob = replica(raws, BOB)
    again = act(alice, add_tag(("tags",), "life", second))
    removed = act(bob, delete(("tags", "life")))
    raws += [removed, again] if bob_first else [again, removed]
    tags = replica(raws).to_py()["tags"]
    assert isinstance(tags, dict)
    assert list(tags) == ["life"]


def test_a_seen_delete_removes_a_tag() -> None:
    alice = fresh()
    act(alice, add_tag(("tags",), "life", 1))
    act(alice, delete(("tags", "life")))
    assert alice.to_py()["tags"] == {}


def test_counters_count_only_integers() -> None:
    assert counter_value({"a": 3, "b": -1, "c": True, "d": "7", "e": None, "f": {}}) == 2


# ── hostile ──────────────────────────────────────────────────────────────────────────────────────


def hostile() -> dict[str, bytes]:
    return bombs.changes() | {
        "an orphan": bombs.set_root(dependencies=[b"\x01" * 32], start_op=9),
        "alice's seq 1 again": bombs.set_root(actor=ALICE, start_op=4, dependencies=[MODULE.hash]),
        "seq 7 after nothing": bombs.set_root(seq=7, start_op=4, dependencies=[MODULE.hash]),
        "5,000 maps deep": bombs.nested(
            5_000, actor=bombs.ACTOR, start_op=4, dependencies=[MODULE.hash]
        ),
        "a text that is not UTF-8": bombs.set_root(
            metadata=0x26, value=b"\xff\xff", start_op=4, dependencies=[MODULE.hash]
        ),
        "a key that is not UTF-8": bombs.set_root(b"\xff", start_op=4, dependencies=[MODULE.hash]),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_changes_leave_no_mark(name: str) -> None:
    document = fresh()
    act(document, put(("head", "name"), "clock"))
    heads, value, saved = document.heads(), document.to_py(), document.save()
    with pytest.raises(CrdtError):
        document.receive([hostile()[name]])
    with pytest.raises(CrdtError):
        document.receive([bombs.set_root(start_op=4, dependencies=[MODULE.hash]), hostile()[name]])
    assert (document.heads(), document.to_py(), document.save()) == (heads, value, saved)
    assert read_change(act(document, put(("head", "name"), "watch"))).seq == 2


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_mutated_changes_are_taken_or_refused(data: st.DataObject) -> None:
    """What an attacker makes of an honest change: signed, so its checksum is right."""
    document, honest = fresh(), fresh(BOB)
    raw = act(honest, put(("head", "name"), "clock"))
    body = bytearray(raw[unsigned(raw, 9)[1] :])
    assert bombs.chunk(bytes(body)) == raw
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    before = document.to_py()
    try:
        document.receive([bombs.chunk(bytes(body))])
    except CrdtError:
        assert document.to_py() == before
        assert document.heads() == {MODULE.hash}
    assert read_change(act(document, put(("tags", "life"), 1))).seq == 1


@pytest.mark.parametrize("make", [bombs.counter, bombs.date_past_9999])
def test_a_panic_on_reading_is_an_error_of_ours(make: Callable[..., bytes]) -> None:
    """Preflight keeps these out; should it ever fail, the panic still ends here."""
    raw = make(start_op=4, dependencies=[MODULE.hash])
    with pytest.raises(Unusable, match="library-panic"):
        load_valid(MODULE, [raw], ALICE)
    with pytest.raises(Unusable):
        Document.open("pub", "mod", ALICE, MODULE.raw + raw)


def test_public_crashers_and_fixtures_load_cleanly_or_not_at_all(vectors: Path) -> None:
    loaded = 0
    for file in sorted((vectors / "automerge").glob("*/*")):
        try:
            data = file.read_bytes()
            check_chunks(data)
            Document.open("pub", "mod", ALICE, data).to_py()
            loaded += 1
        except (Malformed, Unusable):
            assert file.name not in LOADABLE, file.name
    assert loaded == len(LOADABLE)


LOADABLE = {
    "broken_zero_width_mark.automerge",
    "two_change_chunks.automerge",
    "two_change_chunks_compressed.automerge",
    "two_change_chunks_out_of_order.automerge",
}


# ── building from the valid set ──────────────────────────────────────────────────────────────────


def test_load_valid_is_exact() -> None:
    alice = fresh()
    raws = [act(alice, put(("head", "n"), number)) for number in range(5)]
    built = load_valid(MODULE, raws, BOB)
    assert built.heads() == alice.heads()
    assert built.changes_since([]) == tuple(raws)
    assert read_change(act(built, put(("head", "n"), 9))).actor == BOB
    assert load_valid(MODULE, [], BOB).to_py() == fresh().to_py()
    with pytest.raises(Unusable):
        load_valid(MODULE, [*raws[:1], *raws[2:]], BOB)
    with pytest.raises(Unusable):
        load_valid(skeleton_for("rate", "mod"), raws, BOB)
    with pytest.raises(Unusable):
        load_valid(MODULE, [b"".join(raws)], BOB)
