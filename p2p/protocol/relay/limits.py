"""What one relay takes from whom: every bound of its conversations, with its unit and reason.

Whoever oversteps a bound of a frame broke the protocol. Whoever asks too often is read more slowly,
and whoever wants more than there is room for is told so; neither is an offence.
"""

MEBIBYTE = 1 << 20

# Frames. The longest honest one is a letter.
RELAY_FRAME_BYTES_MAX = 96 << 10
RELAY_ITEMS_MAX = 256
RELAY_DEPTH_MAX = 3
CARD_BYTES_MAX = 12 << 10
CARDS_MAX = 7  # in one answer: 84 KiB; the newest devices of an author
TOKEN_BYTES_MAX = 256
OBSERVED_CHARACTERS_MAX = 64
SIGNAL_BYTES_MAX = 16 << 10  # an offer of WebRTC has 2 to 6 KiB
POST_BYTES_MAX = 4 << 10
LETTER_BYTES_MAX = 64 << 10
TAKEN_IDS_MAX = 64

# Who is there. An idle peer costs about 60 KB, so all of them 600 MB.
REGISTRATIONS_MAX = 10_000
REGISTRATIONS_OF_HOST_MAX = 2_500  # a quarter: one host cannot shut out all the others
REGISTRATIONS_OF_HOST_PART = 4  # where there is room for fewer
REGISTRATIONS_OF_HOST_LEAST = 16  # a household, behind one address
REGISTERED_S = 3_600.0  # until a registration lapses; a client renews it at half of that
PING_S = 20.0  # a client that has heard nothing for so long asks whether the relay is there
SILENT_S = 75.0  # a client that said nothing for so long is gone
ANSWER_S = 15.0  # a client waits so long for an answer, and for the answer to a ping

# Circuits.
CIRCUITS_MAX = 1_024
CIRCUITS_OF_DEVICE_MAX = 64
CIRCUITS_OF_HOST_MAX = 256  # called for from one host: a quarter, as of registrations
CIRCUITS_OF_HOST_TO_DEVICE_MAX = 32  # half of what a device has room for
CIRCUITS_OF_PAIR_MAX = 2  # one in use, and the one that takes its place
# Of a relay that has room for fewer, parts of that; two at least, as of a pair.
CIRCUITS_OF_HOST_PART = 4
CIRCUITS_OF_DEVICE_PART = 2
CIRCUIT_BYTES_PER_S = 2 << 10  # of a rate, for each that shares it: pings, and what is small
JOIN_S = 10.0  # from the call until both ends have joined
KEY_BYTES = 32
STALLED_S = 60.0  # an end that takes less than `trickle.SLOWEST_BYTES` in that is given up
IDLE_S = 120.0  # sessions inside of it ping each other every few seconds
CIRCUIT_BUFFER_BYTES_MAX = 512 << 10  # of each direction, beside what the kernel holds

# Frames to a client that wait to be written: a few letters. Above it the client does not read.
UNSENT_BYTES_MAX = MEBIBYTE // 2
SIGNALS_UNSENT_BYTES_MAX = UNSENT_BYTES_MAX // 4  # what others send fills no client's share
UNSENT_OF_ALL_BYTES_MAX = 64 * MEBIBYTE  # above it clients with more than the next go
UNSENT_BYTES_FAIR = UNSENT_BYTES_MAX // 8
CLIENT_BUFFER_BYTES_MAX = 64 << 10  # written, and not yet taken by the kernel
LETTERS_UNDERWAY_MAX = 4  # sent to their receiver and not yet taken
QUESTIONS_MAX = 32  # of one client to the disk; before they are answered no more is read

# How often. Tokens; a frame costs one, what is dear costs more. Who has none left is read later.
FRAMES_PER_S = 10.0
FRAMES_BURST = 200.0
FRAMES_OF_HOST_PER_S = 200.0  # keys are free
FRAMES_OF_HOST_BURST = 20_000.0  # a thousand peers behind one address come back at once
HOSTS_MAX = 4_096  # remembered; the least recent go
FRAMES_OF_ALL_PER_S = 2_000.0
FRAMES_OF_ALL_BURST = 100_000.0
# Pings cost none of those: whoever shares an overdrawn address would take the relay for dead, and
# come back at eight tokens. Beyond these they cost as much as other frames.
PINGS_BURST = 8.0
PINGS_PER_S = 0.2
HELD_FRAMES_MAX = 8  # of a client that rests: pings behind them are seen
HELD_BYTES_MAX = 16 << 10  # above it no more is read before the rest is over
HELD_OF_ALL_BYTES_MAX = 32 * MEBIBYTE  # above it those that rest are not read at all
CALL_TOKENS = 4.0
LETTER_TOKENS = 4.0
LOOKUP_TOKENS = 2.0
REGISTER_TOKENS = 8.0  # a card has signatures to be checked

# Tokens of private relays.
WRONG_TOKENS_BURST = 5.0  # of one host, judged at once; then
WRONG_TOKENS_PER_S = 0.1
WRONG_HOSTS_MAX = 4_096  # remembered; the least recent go
WRONG_WAIT_S = 30  # said to whoever comes too often with a wrong one

# What waits on disk. Times of senders are cut to these.
LETTER_S_MAX = 30 * 86_400.0
POST_S_MAX = 7 * 86_400.0
LETTERS_OF_SENDER_MAX = 64
LETTERS_OF_SENDER_BYTES_MAX = 2 * MEBIBYTE
LETTERS_OF_RECEIVER_MAX = 256
LETTERS_OF_RECEIVER_BYTES_MAX = 8 * MEBIBYTE
LETTERS_BYTES_MAX = 1_024 * MEBIBYTE
POSTS_OF_DEVICE_MAX = 16
POSTS_MAX = 20_000  # 80 MB
# Of one host: keys are free. A mailbox half, so that one host cannot shut out all the others.
LETTERS_OF_HOST_BYTES_MAX = 64 * MEBIBYTE
LETTERS_OF_HOST_TO_DEVICE_MAX = 128
LETTERS_OF_HOST_TO_DEVICE_BYTES_MAX = 4 * MEBIBYTE
MAILBOXES_SHARED_MAX = 4_096  # remembered; the least recent go
POSTS_OF_HOST_MAX = 2_500
KNOWN_CARDS_MAX = 20_000  # also of those that are offline: 240 MB; the host with most loses some
KNOWN_S = 30 * 86_400.0  # a device that did not register for so long is forgotten

# Draining.
GRACE_S = 20.0  # for circuits that are open when the relay is told to stop


def share_of(room: int, *, part: int, most: int, least: int) -> int:
    """One of `part` equal parts of `room`, within bounds; where there are two places never both."""
    return min(max(room // part, least), most, max(1, room - 1))
