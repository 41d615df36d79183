"""Alice, Bob and the values that hypothesis makes for them."""

from blake3 import blake3
from hypothesis import strategies as st

from crdt.area import Area
from crdt.ed25519 import SigningKey
from crdt.encoding import U64_MAX
from crdt.entry import Entry
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.path import Path


def person(name: str) -> SigningKey:
    """The same key for the same name, in every run."""
    return SigningKey.from_seed(blake3(name.encode()).digest())


def namespace(name: str, *, communal: bool) -> SigningKey:
    """The first key of this name that is of the kind wanted."""
    keys = (person(f"{name} {number}") for number in range(256))
    return next(key for key in keys if is_communal(key.public) == communal)


ALICE, BOB, CAROL, MALLORY = map(person, ("alice", "bob", "carol", "mallory"))
GARDEN = namespace("garden", communal=False)
MEADOW = namespace("meadow", communal=True)

# few letters and few names, so that prefixes, zero bytes and equal parts are the rule
components = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([0, 1, 2, 0x61, 0xFE, 0xFF]), max_size=3).map(bytes),
)
paths: st.SearchStrategy[Path] = st.lists(components, max_size=6).map(tuple)
small_paths: st.SearchStrategy[Path] = st.lists(
    st.lists(st.sampled_from([0, 1, 0x61, 0xFF]), max_size=2).map(bytes), max_size=3
).map(tuple)
u64s = st.one_of(st.integers(0, 300), st.integers(0, U64_MAX))
subspaces = st.one_of(
    st.sampled_from([ALICE.public, BOB.public, bytes(32), b"\xff" * 32]),
    st.binary(min_size=32, max_size=32),
).map(AuthorKey)
digests = st.binary(min_size=32, max_size=32)


@st.composite
def entries(draw: st.DrawFn, paths: st.SearchStrategy[Path] = paths) -> Entry:
    """Entries of the meadow."""
    return Entry(
        NamespaceKey(MEADOW.public),
        draw(subspaces),
        draw(paths),
        draw(u64s),
        draw(u64s),
        draw(digests),
    )


@st.composite
def areas(draw: st.DrawFn, paths: st.SearchStrategy[Path] = small_paths) -> Area:
    """Areas that are not empty."""
    start = draw(st.one_of(st.just(0), st.integers(0, 300)))
    end = draw(st.one_of(st.none(), st.integers(start + 1, 400), st.just(U64_MAX)))
    return Area(draw(st.one_of(st.none(), subspaces)), draw(paths), start, end)


@st.composite
def areas_within(draw: st.DrawFn, outer: Area) -> Area:
    """Areas that `outer` includes."""
    top = U64_MAX if outer.end is None else outer.end
    start = draw(st.integers(outer.start, top - 1))
    end = draw(st.integers(start + 1, top))
    is_open = outer.end is None and draw(st.booleans())
    subspace = draw(st.one_of(st.none(), subspaces)) if outer.subspace is None else outer.subspace
    return Area(subspace, outer.path + draw(small_paths), start, None if is_open else end)


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit the other way."""
    at = bit // 8
    return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]
