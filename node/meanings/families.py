"""Codes that come in families: what peers, files and the library are refused for.

They are many, and a person can do the same about all of a family.
"""

from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """Two sentences or three, for a person."""

    means: str
    do: str


# Each with what holds for all of them.
FAMILIES: Final[tuple[tuple[Meaning, str], ...]] = (
    (
        Meaning(
            "Something signed that came from elsewhere breaks a rule of its format or of who may"
            " write where. It was not taken, and nothing else changed.",
            "Nothing: only who made it can mend it. The rule is in docs/protocol/entries.md,"
            " envelope.md or authority.md.",
        ),
        """area-not-included area-subspace area-times auth-heads bad-authorisation bad-delegation
        not-the-owners path-log statement
        bad-signature capability-too-long cbor-too-long change-hash entry-too-long envelope
        missing-dependency no-capability no-dependencies not-a-did not-an-entry not-canonical
        not-ed25519 not-the-owner not-the-receiver not-the-root outside-area path-class
        path-component path-depth path-epoch path-kind path-record path-seq path-size path-width
        payload-digest payload-length payload-too-long read-only root-key token-size
        too-many-delegations
        trailing-bytes truncated wider-than-parent wrong-actor wrong-device wrong-namespace
        wrong-namespace-kind wrong-prev wrong-seq""",
    ),
    (
        Meaning(
            "A change of a document cannot be used: it is malformed, has what documents here never"
            " hold, or would take the document over its limits.",
            "If it is your own, change less at once; else only who made it can mend it.",
        ),
        """automerge-limit bad-automerge edit-is-map edit-no-map edit-range edit-root edit-too-deep
        forbidden-action forbidden-value library-panic library-refused not-a-change not-exact
        not-sealed too-deep too-many-rows""",
    ),
    (
        Meaning(
            "A blob's list of chunks, or a chunk, is not what its name promises.",
            "Nothing was kept. Ask again: another peer may have the right one.",
        ),
        "blob-chunk blob-delta blob-hash blob-page blob-root delta-packed part-packed",
    ),
    (
        Meaning(
            "The modules cannot be linked with one another as they are.",
            "The detail names the import; an author has to mend it.",
        ),
        "ambiguous-import duplicate-module import-cycle import-mismatch import-not-found"
        " too-many-modules",
    ),
    (
        Meaning(
            "The peer broke a rule of the protocol, and the connection was closed.",
            "Connect again; if it happens again, one of the two needs an update.",
        ),
        """area cards-unasked compare credit delta entries first-byte flood frame-bytes frame-kind
        frame-length
        frame-shape get-count handshake handshake-parameters handshake-payload handshake-signature
        handshake-version hello-author hello-device holding ids link-count link-proof listed missing
        noise-flood noise-handshake noise-length noise-message out-of-order part present-length
        present-mode present-receiver present-signature range-bound range-order ranges-endless
        ranges-turn reconcile-area reconcile-count reconcile-number refused-entries short-answers
        unread version want-count
        websocket""",
    ),
    (
        Meaning(
            "The peer is gone, silent, or does not have what was asked for.",
            "`panspermia peers` shows who is there; connect again.",
        ),
        """another-device greeting handshake-timeout no-answer no-peer-has-it no-websocket
        busy no-move session-closed session-lost silent stopped unknown-session""",
    ),
    (
        Meaning(
            "One of the two nodes does not talk to the other for now; the detail says why.",
            "Wait: it is tried again. `panspermia peers --forgive` or `block --remove` lifts it.",
        ),
        "blocked refused-for-now",
    ),
    (
        Meaning(
            "What somebody said of where a device can be called is not as the device signed it, or"
            " too old. It was not kept.",
            "Nothing: the device tells where it is anew, or connect to its address.",
        ),
        """card-ahead card-author card-bytes card-life card-long card-over card-signature
        card-version record-bytes""",
    ),
    (
        Meaning(
            "Something that was sealed does not open with the key of this device.",
            "Whoever sealed it has to do it again, for the key that this device has now.",
        ),
        "sealed-box sealing-key",
    ),
    (
        Meaning("That can be neither blocked nor unblocked.", "See: panspermia block --list"),
        "blocks-itself not-blocked",
    ),
    (
        Meaning("That address is this very node, or no address.", "Give another HOST:PORT."),
        "address get query self",
    ),
)
