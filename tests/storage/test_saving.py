"""What is kept of a document so that it need not be made of all its changes again."""

from collections.abc import Iterator, Sequence

import pytest

from crdt.capability import CapabilityCache
from crdt.change import CheckedEntry, check_entry
from crdt.document import Document, Editor, load_valid, skeleton_for
from crdt.held import Held
from crdt.preflight import read_change
from storage.materialise import SAVED_CHANGES_MIN, Built, Work, build, judge, load
from storage.saving import (
    SAVED_BYTES_MAX,
    TAIL_CHANGES_MAX,
    TAIL_OPS_MAX,
    content_bytes,
    lengthened,
)
from storage.store import Store
from tests.storage.people import ALICE, NOW_US, named, project

CLOCK = ALICE.document("io.alice.clock")
ACTOR = b"\x01" * 32


def put(key: str, *values: str) -> list[tuple[str, str]]:
    return [(f"{key}{n}", value) for n, value in enumerate(values)]


def changed(document: Document, pairs: Sequence[tuple[str, str]]) -> tuple[bytes, int]:
    def edit(editor: Editor) -> None:
        for key, value in pairs:
            editor.put(("head", key), value)

    raw = document.change(edit)
    assert raw is not None
    header = read_change(raw)
    return raw, header.max_op - header.start_op + 1


def test_what_came_is_put_behind_what_was_saved_until_that_is_worth_saving() -> None:
    document = Document.open("pub", "mod", ACTOR)
    saved: bytes | None = document.save()
    for n in range(TAIL_CHANGES_MAX):
        assert saved is not None
        saved = lengthened(saved, [changed(document, put(f"k{n}.", *"abcd"[:TAIL_OPS_MAX]))])
        assert saved is not None
        opened = Document.open("pub", "mod", ACTOR, saved)
        assert (opened.to_py(), opened.heads()) == (document.to_py(), document.heads())
    more = changed(document, put("more", "x"))
    assert saved is not None
    assert lengthened(saved, []) == saved
    assert lengthened(saved, [more]) is None
    assert lengthened(document.save(), [more] * (TAIL_CHANGES_MAX + 1)) is None


def test_many_operations_are_not_put_behind() -> None:
    document = Document.open("pub", "mod", ACTOR)
    saved = document.save()
    assert lengthened(saved, [changed(document, put("k", *"abcde"[: TAIL_OPS_MAX + 1]))]) is None


def test_what_the_library_writes_otherwise_one_day_is_made_anew() -> None:
    document = Document.open("pub", "mod", ACTOR)
    assert lengthened(b"other" + document.save(), [changed(document, put("k", "v"))]) is None


@pytest.mark.parametrize("above", [0, 1])
def test_a_large_document_is_not_saved(above: int) -> None:
    edits = [named(f"clock {n}", at=n) for n in range(SAVED_CHANGES_MIN + 1)]
    entries = [check_entry(one, CapabilityCache()) for one in ALICE.writes(CLOCK, *edits)]
    work = Work(CLOCK, 1, {one.id: Held.of(one) for one in entries})
    work.raws = {one.id: one.raw for one in entries}
    work.counted = frozenset(one.id for one in entries[:-1])
    work.said_bytes = SAVED_BYTES_MAX + above - content_bytes([len(entries[-1].raw)])
    validity = judge(work)
    built = build(work, validity, load(work, validity), project)
    assert (built.saved is None) is bool(above)


def works(entries: Sequence[CheckedEntry]) -> Iterator[tuple[Work, Built]]:
    """As the store has the document when one entry after another comes."""
    saved, held = None, dict[bytes, Held]()
    for at, one in enumerate(entries):
        counted, held = frozenset(held), {**held, one.id: Held.of(one)}
        raws = entries[: at + 1] if saved is None else [one]
        work = Work(CLOCK, 1, held, {each.id: each.raw for each in raws}, counted, saved)
        validity = judge(work)
        built = build(work, validity, load(work, validity), project)
        saved = built.saved
        yield work, built


def test_however_it_was_saved_it_is_the_document_of_its_changes() -> None:
    edits = [named(f"clock {n}", at=n, note=f"note {n % 3}") for n in range(40)]
    entries = [check_entry(one, CapabilityCache()) for one in ALICE.writes(CLOCK, *edits)]
    anew = 0
    for at, (work, built) in enumerate(works(entries), 1):
        raws = [one.raw for one in entries[:at]]
        whole = load_valid(skeleton_for("pub", "mod"), raws, ACTOR)
        assert (built.value, built.heads) == (whole.to_py(), tuple(sorted(whole.heads())))
        assert (built.saved is None) is (at < SAVED_CHANGES_MIN)
        assert built.saved is None or Document.open("pub", "mod", ACTOR, built.saved).heads() == (
            whole.heads()
        )
        anew += not (work.saved and built.saved and built.saved.startswith(work.saved))
    short = SAVED_CHANGES_MIN - 1
    assert anew == short + -(-(len(edits) - short) // (1 + TAIL_CHANGES_MAX))


def test_a_damaged_one_is_not_written_again() -> None:
    edits = [named(f"clock {n}", at=n) for n in range(SAVED_CHANGES_MIN)]
    entries = [check_entry(one, CapabilityCache()) for one in ALICE.writes(CLOCK, *edits)]
    work = Work(CLOCK, 1, {one.id: Held.of(one) for one in entries})
    work.raws = {one.id: one.raw for one in entries}
    validity = judge(work)
    good = build(work, validity, load(work, validity), project).saved
    assert good is not None
    work.saved, work.counted = good[:-1] + bytes([good[-1] ^ 1]), frozenset(work.held)
    built = build(work, validity, load(work, validity), project)
    assert built.saved is not None
    assert Document.open("pub", "mod", ACTOR, built.saved).to_py() == built.value


async def test_an_act_of_ones_own_loads_its_document_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[bytes | None]()
    document_open = Document.open

    def counted(
        class_: str, kind: str, actor: bytes, saved: bytes | None = None, is_read: bool = True
    ) -> Document:
        opened.append(saved)
        return document_open(class_, kind, actor, saved, is_read)

    for n in range(SAVED_CHANGES_MIN):
        await store.commit(CLOCK, named(f"clock {n}", at=NOW_US + n), ALICE.signer)
    monkeypatch.setattr(Document, "open", counted)
    await store.commit(CLOCK, named("noon", at=NOW_US + 99), ALICE.signer)
    assert not opened, "what was committed last is there still"
    await store.commit(ALICE.document("io.alice.other"), named("other"), ALICE.signer)
    for n in range(SAVED_CHANGES_MIN):
        edit = named(f"other {n}", at=NOW_US + n)
        await store.commit(ALICE.document("io.alice.other"), edit, ALICE.signer)
    opened.clear()
    await store.commit(CLOCK, named("night", at=NOW_US + 100), ALICE.signer)
    assert len(opened) == 1
    state = await store.read(CLOCK)
    assert state is not None
    before = await store.listing("module", ALICE.did, "io.alice.clock")
    assert await store.rematerialise() == 2
    assert await store.read(CLOCK) == state
    assert await store.listing("module", ALICE.did, "io.alice.clock") == before
