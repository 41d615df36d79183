import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from registry.errors import InvalidEvaluation
from registry.evaluation import (
    EVALUATION_BYTES_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    TYPE,
    Evaluation,
    answer_of,
    decode_evaluation,
    encode_evaluation,
)
from tests.registry.attested import GLIDER, JUDGE, QUESTION

HASHES = st.binary(min_size=32, max_size=32)
EVALUATIONS = st.builds(
    Evaluation,
    HASHES,
    HASHES,
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.integers(0, INTEGER_MAX),
)


@given(EVALUATIONS)
def test_reading_undoes_writing(one: Evaluation) -> None:
    assert decode_evaluation(encode_evaluation(one)) == one


def test_the_longest_fits() -> None:
    longest = Evaluation(GLIDER, JUDGE, INTEGER_MIN, INTEGER_MAX)
    assert len(encode_evaluation(longest)) == 144 < EVALUATION_BYTES_MAX


def test_an_id_names_everything_that_decides_the_answer() -> None:
    others = (
        dataclasses.replace(QUESTION, genome=JUDGE),
        dataclasses.replace(QUESTION, evaluator=GLIDER),
        dataclasses.replace(QUESTION, seed=1),
        dataclasses.replace(QUESTION, ticks=101),
    )
    assert len({QUESTION.id, *(one.id for one in others)}) == 5


def test_an_id_never_changes() -> None:
    """It is part of the protocol: docs/protocol/attestations.md shows the bytes."""
    assert QUESTION.id.hex() == "b40fe2210e927df1c18fb0f5a7cad618c640a4e007819537150cbcf16feb01a6"


WIRE = {"type": TYPE, "genome": GLIDER, "evaluator": JUDGE, "seed": 0, "ticks": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"genome": GLIDER[:31]},
        {"genome": "a" * 32},
        {"evaluator": b""},
        {"seed": 1 << 63},
        {"seed": 1.0},
        {"seed": True},
        {"ticks": -1},
        {"ticks": 1 << 63},
        {"type": "panspermia.release/1"},
        {"more": 1},
    ],
    ids=str,
)
def test_anything_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidEvaluation):
        decode_evaluation(cbor.encode(WIRE | wrong))


def test_what_is_no_cbor_is_refused() -> None:
    good = encode_evaluation(QUESTION)
    for bad in (b"", good[:-1], good + b"\0", bytes(EVALUATION_BYTES_MAX + 1)):
        with pytest.raises(InvalidEvaluation):
            decode_evaluation(bad)


@pytest.mark.parametrize(
    ("ending", "result"),
    [
        ("result", None),
        ("trapped", 1),
        ("unjudged", INTEGER_MIN),
        ("result", INTEGER_MIN),
        ("result", 1 << 63),
        ("deadline", None),
    ],
)
def test_no_evaluator_answers_so(ending: str, result: int | None) -> None:
    with pytest.raises(InvalidEvaluation):
        answer_of(ending, result)
