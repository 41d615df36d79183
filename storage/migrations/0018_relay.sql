-- What a relay keeps for others: cards, sealed letters to devices that are offline, sealed posts.
CREATE TABLE relay_card (
    device    BLOB PRIMARY KEY,
    author    BLOB NOT NULL,
    card      BLOB NOT NULL,
    issued_us INTEGER NOT NULL,
    until_us  INTEGER NOT NULL,
    seen_us   INTEGER NOT NULL                -- when it registered last
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_card_by_author ON relay_card (author, issued_us);
CREATE INDEX relay_card_by_seen ON relay_card (seen_us);

CREATE TABLE relay_letter (
    number   INTEGER PRIMARY KEY,             -- in the order they came
    sender   BLOB NOT NULL,
    receiver BLOB NOT NULL,
    id       BLOB NOT NULL,                   -- the sender's own: the same one again is as once
    sealed   BLOB NOT NULL,
    bytes    INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    UNIQUE (receiver, sender, id)
) STRICT;
CREATE INDEX relay_letter_by_sender ON relay_letter (sender, bytes);
CREATE INDEX relay_letter_by_receiver ON relay_letter (receiver, number, bytes);
CREATE INDEX relay_letter_by_until ON relay_letter (until_us);

CREATE TABLE relay_post (
    tag      BLOB PRIMARY KEY,
    device   BLOB NOT NULL,
    sealed   BLOB NOT NULL,
    until_us INTEGER NOT NULL
) STRICT;
CREATE INDEX relay_post_by_device ON relay_post (device);
CREATE INDEX relay_post_by_until ON relay_post (until_us);

-- Letters that came to this node's person. A removed one keeps its id, so that it does not come again.
CREATE TABLE letter (
    number      INTEGER PRIMARY KEY,
    device      BLOB NOT NULL,                -- who wrote it, proven
    author      BLOB NOT NULL,
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,                -- "text", or "code"
    text        TEXT,                         -- NULL: removed
    sent_us     INTEGER NOT NULL,             -- as the writer says
    received_us INTEGER NOT NULL,
    relay       TEXT NOT NULL,
    is_read     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, id)
) STRICT;
CREATE INDEX letter_by_author ON letter (author);
