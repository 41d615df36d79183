"""Every frame that may be sent, for hypothesis."""

from hypothesis import strategies as st

from p2p.protocol import frames, limits

keys = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
ids16 = st.binary(min_size=16, max_size=16)
numbers = st.integers(0, frames.U64_MAX)
counts = st.integers(0, 1 << 53)
tokens = st.binary(max_size=200)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=32)


def joined(max_size: int = 8) -> st.SearchStrategy[bytes]:
    return st.lists(ids16, min_size=1, max_size=max_size).map(b"".join)


uppers = st.none() | st.builds(frames.Upper, numbers, st.binary(max_size=40))
items = st.one_of(
    st.builds(frames.Skip, uppers),
    st.builds(frames.Summary, uppers, counts, ids16),
    st.builds(frames.Listing, uppers, st.just(b"") | joined()),
)
range_items = st.lists(items, min_size=1, max_size=8).map(tuple)
sent_entries = st.builds(frames.SentEntry, numbers, tokens, signatures, tokens)
bases = st.builds(frames.Base, keys, st.integers(0, 1 << 40), st.integers(1, limits.RUN_CHUNKS_MAX))
presented = st.builds(frames.Presented, tokens, signatures)
interests = st.builds(frames.Interest, keys, tokens)


def tuples(of: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(of, max_size=4).map(tuple)


BY_KIND: dict[type[frames.Frame], st.SearchStrategy[frames.Frame]] = {
    frames.Hello: st.builds(
        frames.Hello, numbers, texts, keys, tokens, keys, tuples(texts),
        st.integers(-(1 << 63), (1 << 63) - 1), tuples(ids16),
    ),
    frames.Present: st.builds(frames.Present, tuples(presented)),
    frames.Interests: st.builds(frames.Interests, tuples(interests)),
    frames.Bye: st.builds(frames.Bye, texts, texts),
    frames.Ping: st.builds(frames.Ping, numbers),
    frames.Pong: st.builds(frames.Pong, numbers),
    frames.Reconcile: st.builds(frames.Reconcile, numbers, keys, tokens, range_items),
    frames.Ranges: st.builds(frames.Ranges, numbers, range_items),
    frames.Listed: st.builds(frames.Listed, numbers),
    frames.Compare: st.builds(frames.Compare, numbers, counts, ids16),
    frames.Have: st.builds(frames.Have, keys, joined(), st.booleans()),
    frames.Credit: st.builds(frames.Credit, st.integers(1, limits.HAVE_CREDIT_IDS)),
    frames.Want: st.builds(frames.Want, numbers, keys, joined()),
    frames.Entries: st.builds(
        frames.Entries, numbers, tuples(tokens), tuples(sent_entries), st.just(b"") | joined()
    ),
    frames.Get: st.builds(
        frames.Get, numbers, keys, st.integers(0, 2), st.integers(0, 1 << 40),
        st.integers(1, limits.RUN_CHUNKS_MAX), st.integers(0, 3), st.none() | bases,
    ),
    frames.Overlap: st.builds(frames.Overlap, tuples(ids16)),
    frames.OwnCard: st.builds(frames.OwnCard, tokens),
    frames.AskCards: st.builds(frames.AskCards, numbers),
    frames.Cards: st.builds(frames.Cards, numbers, tuples(tokens)),
    frames.Part: st.builds(
        frames.Part, numbers, st.binary(max_size=300), st.integers(0, limits.RUN_BYTES_MAX)
    ),
    frames.Delta: st.builds(
        frames.Delta, numbers, st.binary(max_size=300), st.integers(1, limits.RUN_BYTES_MAX)
    ),
    frames.Holding: st.builds(
        frames.Holding, numbers, st.booleans(),
        st.lists(st.integers(0, 1 << 40), max_size=4).map(tuple),
    ),
}  # fmt: skip
any_frame = st.one_of(*BY_KIND.values())
