"""Networks of namespaces, and real daemons on their hosts; skipped where there can be none."""

import os
from collections.abc import Iterator

import pytest

from tests.netns.bed import Bed, missing, network


@pytest.fixture(scope="session")
def namespaces() -> None:
    """A person may do without them; with CI=true nobody would see that they went untested."""
    why = missing()
    if why and os.geteuid() == 0 and os.environ.get("CI") == "true":
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture
def bed(namespaces: None) -> Iterator[Bed]:
    """An empty network, which is gone afterwards with all that runs in it."""
    with network() as made:
        yield made
