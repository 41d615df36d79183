import pickle

import pytest

from crdt.errors import CrdtError, Malformed, Unauthorised, Unusable


@pytest.mark.parametrize("kind", [CrdtError, Malformed, Unauthorised, Unusable])
def test_an_error_comes_back_whole_from_a_worker_process(kind: type[CrdtError]) -> None:
    error = pickle.loads(pickle.dumps(kind("bad-signature", "signed by somebody else")))

    assert type(error) is kind
    assert (error.code, error.detail) == ("bad-signature", "signed by somebody else")
    assert str(error) == "signed by somebody else [bad-signature]"
