-- Devices that broke the rules of the protocol, so that a restart does not forgive them.
CREATE TABLE offender (
    device   BLOB PRIMARY KEY,
    host     TEXT NOT NULL,                  -- from where it called last; empty: it was called
    strikes  REAL NOT NULL,                  -- as of at_us; they fade
    level    INTEGER NOT NULL,               -- doublings of the time for which it is refused
    times    INTEGER NOT NULL,
    code     TEXT NOT NULL,                  -- of the last one
    sentence TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    until_us INTEGER NOT NULL,               -- 0: it is not refused
    codes    TEXT NOT NULL                   -- JSON: {code: how many, faded}
) STRICT, WITHOUT ROWID;

-- Authors and devices that this person never wants to hear from: known to this node only, never sent.
CREATE TABLE blocked (
    key        BLOB PRIMARY KEY,
    reason     TEXT NOT NULL,                -- this person's own words; may be empty
    blocked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
