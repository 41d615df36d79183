"""The digits that Alice reads to Bob are those that he sees, and nobody else's."""

import re

from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.check_digits import check_digits

KEYS = st.binary(min_size=32, max_size=32)


@given(KEYS, KEYS)
def test_both_see_the_same_four_groups(alice: bytes, bob: bytes) -> None:
    digits = check_digits(alice, bob)
    assert re.fullmatch(r"\d{5}( \d{5}){3}", digits)
    assert digits == check_digits(bob, alice)


@given(KEYS, KEYS, KEYS)
def test_somebody_else_has_others(alice: bytes, bob: bytes, mallory: bytes) -> None:
    if mallory not in (alice, bob):
        assert check_digits(alice, bob) != check_digits(alice, mallory)
