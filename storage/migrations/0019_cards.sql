-- The newest card of each device, and who told of it: this node's own, nothing of it is an entry.
CREATE TABLE card (
    device    BLOB PRIMARY KEY,
    author    BLOB NOT NULL,
    issued_us INTEGER NOT NULL,
    until_us  INTEGER NOT NULL,              -- when it runs out
    encoded   BLOB NOT NULL                  -- as the device signed it
) STRICT, WITHOUT ROWID;
CREATE INDEX card_by_author ON card (author, issued_us);
CREATE INDEX card_by_end ON card (until_us);

-- A device is heard of from several sides: where all of them are one, somebody may hide the others.
CREATE TABLE card_source (
    device   BLOB NOT NULL,
    source   TEXT NOT NULL,                  -- static, mdns, invite, dht, relay:…, peer:…
    first_us INTEGER NOT NULL,
    last_us  INTEGER NOT NULL,
    PRIMARY KEY (device, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_source_by_source ON card_source (source, last_us);
