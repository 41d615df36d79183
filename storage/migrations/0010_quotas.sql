-- Who brought what, and how much room it takes: quotas count by these. See docs/protocol/quotas.md.

-- Whoever entries came from: "self", the hex of a device key; "" for what came before this was noted.
CREATE TABLE source (
    number    INTEGER PRIMARY KEY,
    key       TEXT NOT NULL UNIQUE,
    author    BLOB,                          -- for whom that device proved to speak, if it is one
    bytes     INTEGER NOT NULL DEFAULT 0,    -- of all it brought and that is still here
    strangers INTEGER NOT NULL DEFAULT 0     -- of these, what nobody here follows
) STRICT;
CREATE INDEX source_by_strangers ON source (strangers, number);

CREATE TABLE origin (
    entry  INTEGER PRIMARY KEY REFERENCES entry,
    source INTEGER NOT NULL,
    size   INTEGER NOT NULL
) STRICT;
CREATE INDEX origin_by_source ON origin (source);

-- What a document takes beside its entries; its source brought the first of them.
CREATE TABLE derived (
    document INTEGER PRIMARY KEY REFERENCES document,
    source   INTEGER NOT NULL,
    size     INTEGER NOT NULL
) STRICT;

-- The sums of both, kept in step in each transaction.
CREATE TABLE usage (
    author      BLOB NOT NULL,
    namespace   INTEGER NOT NULL REFERENCES namespace,
    source      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    is_stranger INTEGER NOT NULL,
    PRIMARY KEY (author, namespace, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_source ON usage (source);

CREATE TRIGGER usage_inserted AFTER INSERT ON usage BEGIN
    UPDATE source SET bytes = bytes + NEW.bytes, strangers = strangers + NEW.bytes * NEW.is_stranger
    WHERE number = NEW.source;
END;
CREATE TRIGGER usage_updated AFTER UPDATE ON usage BEGIN
    UPDATE source SET bytes = bytes + NEW.bytes - OLD.bytes,
        strangers = strangers + NEW.bytes * NEW.is_stranger - OLD.bytes * OLD.is_stranger
    WHERE number = NEW.source;
END;
CREATE TRIGGER usage_deleted AFTER DELETE ON usage BEGIN
    UPDATE source SET bytes = bytes - OLD.bytes, strangers = strangers - OLD.bytes * OLD.is_stranger
    WHERE number = OLD.source;
END;

-- This node's author, authors with a petname, authors of what is installed: see storage.usage.
CREATE TABLE followed (
    author BLOB PRIMARY KEY,
    is_own INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Entries that were evicted or refused for want of room: not fetched again.
CREATE TABLE kept_out (
    number   INTEGER PRIMARY KEY,            -- the oldest are forgotten first
    id       BLOB NOT NULL UNIQUE,           -- 16 bytes, as peers name it
    author   BLOB NOT NULL,                  -- the first 8 bytes of its key
    document BLOB                            -- where it only waits for others of its document: 8 bytes
) STRICT;
CREATE INDEX kept_out_by_author ON kept_out (author);
CREATE INDEX kept_out_by_document ON kept_out (document) WHERE document IS NOT NULL;

-- The areas that settings bound, and what they hold; made anew when the settings change.
CREATE TABLE area_quota (
    name        TEXT PRIMARY KEY,
    namespace   BLOB NOT NULL,
    author      BLOB,                        -- NULL: any, as in the rest
    class       TEXT,
    kind        TEXT,
    record      BLOB,
    limit_bytes INTEGER NOT NULL,
    bytes       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What an entry takes on disk, at the most: its row in pages of 4 KiB, its item, indexes, its token.
CREATE VIEW entry_size (entry, document, size) AS
    SELECT number, document,
        iif(row <= 4000, 4096 / (4000 / row), row + 4096) + signed + token + 512
    FROM (
        SELECT e.number, e.document, length(e.entry) AS signed, length(c.encoded) AS token,
            length(e.payload) + length(e.entry) + length(e.depends_on) + length(e.auth_heads) + 192
                AS row
        FROM entry e JOIN capability c ON c.number = e.capability);

-- What a document takes beside its entries, at the most: words count for the search index as well.
CREATE VIEW derived_size (document, size) AS
    SELECT d.number, 1024 + coalesce(length(d.saved) * 5 / 4, 0)
        + coalesce((
            SELECT 512 + length(CAST(fields AS BLOB)) * 5 / 4
                + 3 * length(CAST(words || description || name || tags AS BLOB))
                + 10 * length(CAST(target AS BLOB))
            FROM listing l WHERE l.document = d.number), 0)
        + coalesce((
            SELECT 512 + length(CAST(review AS BLOB)) * 5 / 4 + 4 * length(CAST(target AS BLOB))
            FROM rating r WHERE r.document = d.number), 0)
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;

INSERT INTO source (number, key) SELECT 1, '' WHERE EXISTS (SELECT 1 FROM entry);
INSERT INTO origin SELECT entry, 1, size FROM entry_size;
INSERT INTO derived SELECT document, 1, size FROM derived_size;
INSERT INTO usage
    SELECT d.author, d.namespace, 1, sum(s.bytes), sum(s.entries), 1 FROM (
        SELECT e.document, o.size AS bytes, 1 AS entries
        FROM origin o JOIN entry e ON e.number = o.entry
        UNION ALL SELECT document, size, 0 FROM derived) s
    JOIN document d ON d.number = s.document GROUP BY d.author, d.namespace;

-- An evicted document is gone, and the index must still hear of it: no reference any more.
CREATE TABLE outbox_without_references (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL UNIQUE
) STRICT;
INSERT INTO outbox_without_references SELECT seq, document FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_without_references RENAME TO outbox;
