from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crdt import cbor
from registry.attestation import (
    ENTERED_MAX,
    RUNS_MAX,
    attestation_of,
    read_row,
    row_of,
    say_claim,
    say_entered,
    say_run,
    take_all_back,
    take_claim_back,
    take_entry_back,
)
from registry.deletion import delete
from registry.errors import (
    InvalidChallenge,
    InvalidEvaluation,
    MalformedRecord,
    NotClaimed,
    RegistryError,
)
from registry.evaluation import Answer
from registry.findings import RUN_BYTES_MAX, Claim, Entered
from registry.listings import project
from storage.listing import AttestationRow
from tests.registry.attested import (
    GLIDER,
    GUN,
    NAME,
    QUESTION,
    VERSION,
    ran,
    read,
    record,
)
from tests.registry.people import ALICE_LAPTOP, BOB_DID, BOB_PHONE, DICE, NOON_US, dice_document
from tests.registry.test_module import plain

CLAIM = say_claim(QUESTION, NAME, VERSION, 42, now_us=NOON_US)
RUN = say_run(QUESTION, NAME, VERSION, ran(42), BOB_PHONE.public)


def test_bob_claims_then_runs() -> None:
    bobs = record()
    bobs.edit(CLAIM)
    one = read(bobs)
    assert (one.author, one.claim, one.runs) == (BOB_DID, Claim(42, NOON_US), ())
    assert one.evaluation == QUESTION
    assert (one.module, one.version) == (NAME, VERSION)
    bobs.edit(RUN)
    assert read(bobs).runs == (ran(42),)
    assert read(bobs).claim == Claim(42, NOON_US)


def test_the_same_again_keeps_the_time_of_the_first() -> None:
    """A challenge asks when it was said first; a later run of the same is no later entry."""
    bobs = record()
    for at_us, engine in ((1, "wasmtime 50"), (2, "wasmtime 51")):
        run = ran(42, at_us=at_us, engine=engine)
        bobs.edit(say_run(QUESTION, NAME, VERSION, run, BOB_PHONE.public))
        bobs.edit(say_claim(QUESTION, NAME, VERSION, 42, now_us=at_us))
    one = read(bobs)
    assert one.runs == (ran(42, at_us=1, engine="wasmtime 51"),)
    assert one.claim == Claim(42, 1)
    bobs.edit(say_run(QUESTION, NAME, VERSION, ran(43, at_us=3), BOB_PHONE.public))
    bobs.edit(say_claim(QUESTION, NAME, VERSION, 43, now_us=3))
    assert (read(bobs).runs, read(bobs).claim) == ((ran(43, at_us=3),), Claim(43, 3))


def test_what_a_clock_dated_that_was_ahead_is_mended_by_saying_it_again() -> None:
    bobs = record()
    for at_us in (100 * NOON_US, NOON_US, NOON_US + 1):
        run = ran(42, at_us=at_us)
        bobs.edit(say_run(QUESTION, NAME, VERSION, run, BOB_PHONE.public))
        bobs.edit(say_claim(QUESTION, NAME, VERSION, 42, now_us=at_us))
    assert (read(bobs).runs, read(bobs).claim) == ((ran(42),), Claim(42, NOON_US))


def test_all_of_it_can_be_taken_back_and_said_anew() -> None:
    bobs = record()
    bobs.edit(CLAIM)
    bobs.edit(RUN)
    bobs.edit(say_entered(HERE, OPEN_US, now_us=NOON_US))
    bobs.edit(take_all_back)
    one = read(bobs)
    assert (one.claim, one.runs, one.entered) == (None, (), ())
    assert project(bobs.id, bobs.value) is None
    with pytest.raises(NotClaimed):
        bobs.edit(take_all_back)
    bobs.edit(RUN)
    assert (read(bobs).claim, read(bobs).runs) == (None, (ran(42),))


def test_saying_the_same_again_changes_nothing() -> None:
    bobs = record()
    assert bobs.edit(RUN) is not None
    assert bobs.edit(RUN) is None
    assert bobs.edit(say_run(QUESTION, str(DICE), "2.0.0", ran(42), BOB_PHONE.public)) is None


def test_each_device_says_what_it_found() -> None:
    bobs = record()
    bobs.edit(RUN)
    bobs.edit(say_run(QUESTION, NAME, VERSION, ran(41), ALICE_LAPTOP.public))
    assert read(bobs).answers == (Answer("result", 41), Answer("result", 42))
    bobs.edit(say_run(QUESTION, NAME, VERSION, ran("trapped"), ALICE_LAPTOP.public))
    assert set(read(bobs).answers) == {Answer("result", 42), Answer("trapped")}


def test_a_claim_is_taken_back() -> None:
    bobs = record()
    bobs.edit(CLAIM)
    bobs.edit(take_claim_back)
    assert row_of(bobs.id, bobs.value) is None, "nothing is said any more"
    with pytest.raises(NotClaimed):
        bobs.edit(take_claim_back)


HERE = "chal-0123456789abcdef"
OPEN_US = (NOON_US, NOON_US + 10)


def test_an_entry_is_said_once_and_taken_back() -> None:
    bobs = record()
    bobs.edit(RUN)
    bobs.edit(say_entered(HERE, OPEN_US, now_us=NOON_US + 1))
    assert bobs.edit(say_entered(HERE, OPEN_US, now_us=NOON_US + 9)) is None, "no later"
    assert read(bobs).entered == (Entered(HERE, NOON_US + 1),)
    row = project(bobs.id, bobs.value)
    assert isinstance(row, AttestationRow)
    assert row.entered == (HERE,)
    assert read_row(row) == read(bobs)
    bobs.edit(take_entry_back(HERE))
    assert read(bobs).entered == ()
    assert read(bobs).runs == (ran(42),), "what was run stays"
    with pytest.raises(NotClaimed):
        bobs.edit(take_entry_back(HERE))


def test_an_entry_that_a_wrong_clock_dated_is_said_again() -> None:
    bobs = record()
    bobs.edit(RUN)
    for at_us in (1, NOON_US):
        bobs.edit(say_entered(HERE, OPEN_US, now_us=at_us))
        assert read(bobs).entered == (Entered(HERE, at_us),)


def test_an_entry_of_what_nobody_claims_is_nothing() -> None:
    """It is a word beside an answer: with the claim the entry goes."""
    bobs = record()
    bobs.edit(CLAIM)
    bobs.edit(say_entered(HERE, OPEN_US, now_us=NOON_US))
    bobs.edit(take_claim_back)
    assert row_of(bobs.id, bobs.value) is None


def test_nobody_enters_more_challenges_than_others_read() -> None:
    bobs = record()
    bobs.edit(RUN)
    for number in range(ENTERED_MAX):
        bobs.edit(say_entered(f"chal-{number:016x}", OPEN_US, now_us=NOON_US))
    with pytest.raises(InvalidChallenge, match="the most"):
        bobs.edit(say_entered(HERE, OPEN_US, now_us=NOON_US))
    assert len(read(bobs).entered) == ENTERED_MAX


NEITHER = Answer("trapped", 42)


def test_what_nobody_can_have_found_is_not_said() -> None:
    with pytest.raises(InvalidEvaluation):
        say_claim(QUESTION, NAME, VERSION, 1 << 63, now_us=NOON_US)
    with pytest.raises(InvalidEvaluation):
        say_run(QUESTION, NAME, VERSION, ran(42, engine="x" * 65), BOB_PHONE.public)
    with pytest.raises(InvalidEvaluation):
        say_run(QUESTION, NAME, VERSION, replace(ran(42), answer=NEITHER), BOB_PHONE.public)
    with pytest.raises(RegistryError):
        say_claim(QUESTION, "no name", VERSION, 1, now_us=NOON_US)


def test_storage_keeps_it_whole() -> None:
    bobs = record()
    bobs.edit(CLAIM)
    bobs.edit(RUN)
    row = project(bobs.id, bobs.value)
    assert isinstance(row, AttestationRow)
    assert (row.evaluation, row.genome, row.author) == (QUESTION.id, GLIDER, BOB_DID)
    assert read_row(row) == read(bobs)
    bobs.edit(delete(now_us=NOON_US))
    assert project(bobs.id, bobs.value) is None


def value_of(**changed: object) -> dict[str, Any]:
    bobs = record()
    bobs.edit(CLAIM)
    bobs.edit(RUN)
    return {**bobs.value, **changed}


DEVICE = BOB_PHONE.public.hex()
GOOD = value_of()
SAID = {"ending": "result", "result": 1, "engine": "e", "features": "f", "fuel": 1, "at_us": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"evaluation": {}},
        {"evaluation": {**GOOD["evaluation"], "said": b""}},
        {"evaluation": {**GOOD["evaluation"], "module": "nothing"}},
        {"evaluation": {**GOOD["evaluation"], "version": 1}},
        {"claim": None},
        {"claim": {"said": "text"}},
        {"claim": {"said": cbor.encode({"result": 1, "at_us": -1})}},
        {"claim": {"said": cbor.encode({"result": True, "at_us": 1})}},
        {"claim": {"said": GOOD["claim"]["said"], "more": b""}},
        {"claim": {HERE: b""}},
        {"claim": {HERE: "text"}},
        {"claim": {HERE: cbor.encode({"at_us": -1})}},
        {"claim": {HERE: cbor.encode({"at_us": 1, "more": 1})}},
        {"claim": {f"chal-{n:016x}": cbor.encode({"at_us": 1}) for n in range(ENTERED_MAX + 1)}},
        {"runs": []},
        {"runs": {DEVICE: b""}},
        {"runs": {DEVICE[:-1]: GOOD["runs"][DEVICE]}},
        {"runs": {DEVICE.upper(): GOOD["runs"][DEVICE]}},
        {"runs": {DEVICE: cbor.encode(SAID | {"result": None})}},
        {"runs": {DEVICE: cbor.encode(SAID | {"ending": "trapped"})}},
        {"runs": {DEVICE: cbor.encode(SAID | {"engine": "\x1b[2J"})}},
        {"runs": {DEVICE: cbor.encode(SAID | {"fuel": -1})}},
        {"runs": {DEVICE: bytes(RUN_BYTES_MAX + 1)}},
        {"runs": {f"{n:064x}": GOOD["runs"][DEVICE] for n in range(RUNS_MAX + 1)}},
    ],
)
def test_what_strangers_write_is_refused_as_such(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedRecord):
        attestation_of(record().id, value_of(**wrong))


def test_an_attestation_lies_under_what_it_attests() -> None:
    other = type(QUESTION)(GUN, QUESTION.evaluator, 0, 100)
    with pytest.raises(MalformedRecord):
        attestation_of(record(other).id, GOOD)
    with pytest.raises(MalformedRecord):
        attestation_of(dice_document(), GOOD)


@given(st.dictionaries(st.sampled_from(["evaluation", "claim", "runs"]), plain))
def test_no_value_raises_anything_else(value: dict[str, Any]) -> None:
    with suppress(MalformedRecord):
        row_of(record().id, {**GOOD, **value})
