"""What may stand for a number of WebAssembly in JSON, and what it is read as."""

import math

import pytest

from node.api.values import Argument, Value, given
from node.errors import Rejected


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (7, 7), ("7", 7), (Value("i64", "7"), 7), (Value("f64", "7"), 7.0), (7.5, 7.5),
        ((1 << 64) - 1, (1 << 64) - 1), (-(1 << 63), -(1 << 63)),
        (1 << 64, 2.0**64), ("18446744073709551616", 2.0**64), (Value("f32", 1 << 64), 2.0**64),
        (-(10**20), -1e20), (Value("f64", "-0"), -0.0), ("-inf", -math.inf), ("1e308", 1e308),
    ],
)  # fmt: skip
def test_a_number_is_read_as_itself(argument: Argument, value: float) -> None:
    (read,), _ = given([argument])
    assert (type(read), read, math.copysign(1, read)) == (
        type(value),
        value,
        math.copysign(1, value),
    )


@pytest.mark.parametrize(
    "argument",
    [
        10**400, Value("f64", 10**400), "1e400", Value("i64", 1 << 64), Value("i32", 1.5),
        Value("i32", "NaN"), Value("i64", "1e3"), Value("i64", -(1 << 63) - 1),
    ],
)  # fmt: skip
def test_what_no_number_of_that_type_can_be_is_refused(argument: Argument) -> None:
    with pytest.raises(Rejected) as caught:
        given([0, argument])
    assert caught.value.faults[0].pointer == "/args/1"
    assert len(str(caught.value)) < 200
