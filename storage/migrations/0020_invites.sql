-- Invites that this person made. What is secret of one is gone as soon as it is of no use any more.
CREATE TABLE invite (
    id         BLOB PRIMARY KEY,             -- 8 random bytes, by which people name it
    tag        BLOB NOT NULL UNIQUE,         -- 16 bytes, by which who knows the secret names it
    key        BLOB,                         -- derived from the secret; null once it is over
    seed       BLOB,                         -- of the invite key, or of the new device; null too
    terms      BLOB NOT NULL,                -- what is offered, as the other side is shown it
    state      TEXT NOT NULL,                -- open, claimed, used, expired, cancelled, dead
    wrong      INTEGER NOT NULL DEFAULT 0,   -- guesses
    made_us    INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    ended_us   INTEGER,
    author     BLOB,                         -- who took it
    device     BLOB,
    given      BLOB                          -- CBOR, to be sent again where the line broke
) STRICT, WITHOUT ROWID;
