"""A query is taken apart as the standard library does it."""

from urllib.parse import parse_qsl

from hypothesis import example, given
from hypothesis import strategies as st

from node.api.requests import pairs


@given(st.text("aé=&+;% 20", max_size=20))
@example("q=a+b&kind=module&tag=&tag=c%3A%3Ad&limit")
@example("q==&&=x&+=+")
def test_pairs_are_those_of_the_standard_library(query: str) -> None:
    assert pairs(query) == parse_qsl(query, keep_blank_values=True)
