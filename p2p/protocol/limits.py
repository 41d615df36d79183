"""How much one peer may ask, announce or send: every bound of a session, with its unit and reason.

A peer that oversteps one of these broke the protocol. None of them is negotiated, so each side can
check the other without having asked for anything.
"""

from dataclasses import dataclass

MEBIBYTE = 1 << 20

# One frame fits the bounds of `p2p.protocol.frames`: 1 MiB, decoded whole.
AGENT_CHARACTERS_MAX = 64
ADDRESSES_MAX = 16
ADDRESS_CHARACTERS_MAX = 256
PRESENTED_MAX = 64  # read capabilities, about 400 bytes each
PRESENTED_BYTES_MAX = 48 << 10  # of all of them: some 480 signatures, 30 ms
INTERESTS_MAX = 64  # areas; a node that follows more authors asks for the whole namespace
SENTENCE_CHARACTERS_MAX = 512
WAIT_S_MAX = 86_400  # a day: nobody is told to stay away for longer

# Cards: hints of where a peer or its friends can be called.
CARD_BYTES_MAX = 12 << 10  # a capability of 8 KiB, and 16 places as long as places are
CARDS_MAX = 32  # in one answer: 384 KiB at most, some 15 KB as cards are
EXCHANGES_OPEN_MAX = 4  # asked and not answered; more are not asked
EXCHANGES_PER_S = 0.05  # asked by the peer, on the average: every 20 s
EXCHANGES_BURST = 8.0

# Reconciliation: one frame of ranges is in flight per area, so these bound all of its memory.
RECONCILIATIONS_MAX = 8  # opened by one side at a time; the next ones wait
RECONCILIATIONS_PER_S = 2.0  # opened by the peer, on the average
RECONCILIATIONS_BURST = 256.0  # every area of INTERESTS_MAX twice, authority records apart
# Frames of ranges in one reconciliation. Two strangers list about 2,000 ids in each, so this is
# enough for 8,000,000; a peer whose fingerprints never fit could go on for ever.
ROUNDS_MAX = 4_096
RANGE_ITEMS_MAX = 2_048  # in one frame
RANGE_SUFFIX_BYTES_MAX = 512 << 10  # bounds of one frame: an answer repeats them, and must fit too
RANGES_BYTES = 32 << 10  # a reply stops splitting here; what is left is repeated unsplit
SPLIT_PARTS = 16
LIST_IDS_MAX = 64  # a range with no more entries is listed, not split: 1 KiB, one round trip less

# Announcing and asking: each side takes no more than it has granted or asked for.
HAVE_CREDIT_IDS = 4_096  # announced but not yet settled; 64 KiB
HAVE_IDS_MAX = 1_024  # in one frame; 16 KiB
WANT_IDS_MAX = 512  # in one frame: one durable transaction of the store; two for a full Have
WANTS_OUTSTANDING_MAX = 4  # thus 2,048 entries, and with ENTRIES_BYTES about 4 MiB at most
ENTRIES_BYTES = 768 << 10  # an answer stops before it grows beyond; the asker asks for the rest
REFUSALS_MAX = 256  # entries that fail the checks every honest node makes before it forwards
# What several peers announce is asked of one; where it gives nothing for so long, of the others.
# Who gives something else meanwhile is waited for a little longer, as on a line of 100 KB/s.
ENTRIES_PATIENCE_S = 2.0
ENTRIES_PATIENCE_LONGEST_S = 10.0
PART_BYTES = 1_024  # in a second: so much of an answer is on its way, and no pings only
# Asked of several peers together: what they give comes in no order, and a store keeps no more than
# so many entries of one document that wait for others. One peer alone is asked for more.
ASKED_OF_SEVERAL_MAX = 1_024
# However much others were asked for, a session may ask for so many, and for as many more that are
# urgent: else whoever announces much and gives nothing leaves no room to those who would give it.
ASKED_OF_EACH = 64  # less where more than 16 are asked: all of them together for as many again
ASKED_URGENT_BEYOND = 64
# So long a session leaves an entry to others, one after the other, before it asks its own peer.
ENTRIES_LEFT_S = 30.0
# Answers that leave over what they had room for: an honest one ends before ENTRIES_BYTES, and is
# at least half as long then.
SHORT_ANSWERS_MAX = 64
STORED_REMEMBERED_MAX = 4_096  # ids that came lately, by all sessions together; 300 KB
# Asked for on trial: before a first answer of a session was good, and once one was not. What was
# good is given back, so only refused entries use them up, and an honest peer loses a round trip.
TRIAL_IDS_MAX = 64
TRIAL_IDS_PER_S = 8.0
# Entries of a revoked key beyond those that are kept, passed on by a peer that is not revoked. An
# honest one may hold thousands from before the revocation, so they are slowed and no offence: at
# once no more than are asked for at a time, then as many as cost a few thousandths of a core.
REVOKED_IDS_FIRST = 256  # until more was good: many keys could bring as many at once
REVOKED_IDS_MAX = 2_048
REVOKED_IDS_PER_S = 8.0
REVOKED_IDS_LUMP = 64  # of the slowed at once, for each answer costs a transaction
REFUSED_REMEMBERED_MAX = 10_000  # ids not asked for again in this session; 160 KB
MISSING_MAX = 10_000  # announced by the peer, then not given: an honest one announces what it has

# Blobs. A run is what one Get asks for: long enough that asking costs nothing beside it, short
# enough that what is more urgent waits for no more than this.
RUN_BYTES_MAX = 512 << 10
RUN_BYTES_MIN = 64 << 10  # shorter ones are not worth a question
RUN_CHUNKS_MAX = 128  # of 4 KiB, the shortest
# Asked for and not stored yet. What is lost where a transfer is cut: less than 1 MiB on any line
# that this fills. It grows with the rate that was seen and the round trip beyond WINDOW_RTT_S:
# below that, this much is 150 MB/s.
WINDOW_BYTES_FIRST = 768 << 10  # of all peers together
WINDOW_BYTES_MAX = 16 * MEBIBYTE  # of one peer: 160 MB/s at 100 ms
WINDOWS_BYTES_MAX = 64 * MEBIBYTE  # of all
WINDOW_RTT_S = 0.005
BLOB_REQUESTS_MAX = 64  # unanswered Gets of one peer; their answers are read one by one
BLOBS_MAX = 64  # fetched at once; the others wait their turn, but for authority
SMALL_BLOB_BYTES = MEBIBYTE
HOLDING_RUNS_MAX = 256
GIVEN_MAX = 64  # blobs of which a peer is known to may read them
# Deltas. What a peer asks for as one costs it little to ask and to take, so the work is bounded: so
# many bytes of runs and their bases, of which one core does some 500 MB in a second. Beyond it runs
# are given as they are.
DELTA_BASE_BYTES_MAX = MEBIBYTE  # twice a run: what it differs from may be longer than it
RELATIVE_TO_MAX = 4  # blobs that one may be fetched relative to; the first that is held is taken
DELTA_BYTES_PER_S = 256.0 * MEBIBYTE  # for all peers together
DELTA_PEER_BYTES_PER_S = 64.0 * MEBIBYTE
DELTA_BURST_S = 4.0  # of unused work: all that changed in a world of 250 MB
# A peer that gives nothing for so long is still listened to, and others are asked as well: it could
# else keep a blob from us for as long as it likes.
RUN_PATIENCE_S = 5.0
RUN_LONGEST_S = 30.0  # for one run, whatever else the peer gives: so long it takes at 17 KB/s
# With nothing coming of a blob that is asked for, its fetch ends: a peer could else hold it up as
# long as its session lives. The slowest line for which one run is enough has 4.4 KB/s.
NOTHING_CAME_S = 120.0
# A session that made way for another one with the same peer: until then nothing that it could have
# given is given up. Two that call each other need a handshake for it, slow ones some round trips.
REPLACED_S = 5.0
LATE_S = 0.5  # the last runs, where somebody else would be quicker
POLL_FIRST_S = 1.0  # until a peer that holds a part is asked for the rest again; doubled each time
POLLS_MAX = 6  # about a minute in which it got nothing more
JUDGE_S = 5.0  # until it is asked again whether a peer may know of a blob
PROGRESS_S = 0.2

# Above this much that waits to be written a shell asks the store for no more answers, so a
# connection holds little more, whatever its peer asks. A peer that takes none for ANSWER_S is left.
UNSENT_BYTES_AIM = MEBIBYTE // 2

# Frames that wait to be written. Whoever reads the answers to what it asked never comes near: four
# answers of 1 MiB, and runs of blobs one by one. A shell closes the connection beyond it.
UNSENT_BYTES_MAX = 16 * MEBIBYTE

# A link (docs/protocol/link.md). What was sent is kept until it is acknowledged, so that a session
# can go on over another channel: enough for 40 MB/s at 100 ms. Whoever has sent so much waits.
KEPT_BYTES_MAX = 4 * MEBIBYTE
# At first, and as much more as was acknowledged by then: whoever takes nothing costs no more.
KEPT_BYTES_FIRST = MEBIBYTE // 2
# Received since the last Ack, which comes by itself; half as much is acknowledged with what is sent
# anyhow, as runs of blobs are, and smaller rests within a second.
ACK_BYTES = 384 << 10
# The same once KEPT_BYTES_MAX were acknowledged, so that the sender may keep as much: of a blob an
# Ack then goes with what is asked for next, and seldom by itself.
ACK_BYTES_MAX = 768 << 10
RESUME_S = 5.0  # for the answer to a Resume, during which the session stands still
LINGER_S = 30.0  # without any channel, before the session ends
LINGERING_MAX = 64  # sessions of one node that wait so; the one that waits longest goes
LINGERING_BYTES_MAX = 64 * MEBIBYTE  # kept by all of them

# Liveness. A ping with an answer within seconds is what notices a half-open connection.
GREETING_S = 10.0
PING_AFTER_S = 5.0
DEAD_AFTER_S = 15.0
ANSWER_S = 60.0  # for one answer of 1 MiB: a peer slower than 17 KB/s is of no use
# For the answer to the Want whose turn it is, whatever else comes meanwhile. The thinnest line that
# is put up with (`p2p.protocol.trickle`) carries two answers of about 1 MiB in that time.
ANSWER_LONGEST_S = 3_600.0

# An area that ends unequal though nothing was refused has changed meanwhile, as on a busy node.
RETRIES_MAX = 3
RETRY_S = 2.0
RECONCILE_EVERY_S = 600.0  # finds what no announcement reached
# What is kept out is listed in every comparison: so many ids put the next one off by as long again.
KEPT_OUT_IDS = 10_000
RECONCILE_LATEST_S = 21_600.0

# Frames that cost us work and carry nothing: pings, pongs, unknown kinds, interests, presentations.
CONTROL_FRAMES_PER_S = 5.0
CONTROL_FRAMES_BURST = 64.0
PRESENTED_BYTES_A_TOKEN = 4_096  # a dozen capabilities as invites make them


def reconcile_after_s(kept_out: int) -> float:
    """When to compare again, after a comparison with a peer that holds so much we do not keep."""
    return min(RECONCILE_EVERY_S * (1 + kept_out // KEPT_OUT_IDS), RECONCILE_LATEST_S)


@dataclass(slots=True)
class TokenBucket:
    """`per_s` tokens flow in, at most `burst` are kept; time is an argument."""

    per_s: float
    burst: float
    tokens: float
    at_s: float

    @classmethod
    def full(cls, per_s: float, burst: float, *, now_s: float) -> "TokenBucket":
        return cls(per_s, burst, burst, now_s)

    def left(self, *, now_s: float) -> float:
        """How many there are."""
        elapsed_s = max(0.0, now_s - self.at_s)
        self.tokens = min(self.burst, self.tokens + elapsed_s * self.per_s)
        self.at_s = max(self.at_s, now_s)
        return self.tokens

    def spend(self, *, now_s: float, tokens: float, debt_max: float = 0.0) -> None:
        """Takes so many; where there are fewer, all of them, and up to `debt_max` on credit."""
        self.tokens = max(-debt_max, self.left(now_s=now_s) - tokens)

    def give_back(self, tokens: float) -> None:
        """What was taken for something that turned out to cost nothing."""
        self.tokens = min(self.burst, self.tokens + tokens)

    def take(self, *, now_s: float, tokens: float = 1.0) -> bool:
        """Whether there were enough; if not, none are taken."""
        if self.left(now_s=now_s) < tokens:
            return False
        self.tokens -= tokens
        return True
