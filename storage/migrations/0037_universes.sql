-- States and events of universes, as rows of their documents; what nobody can read has no tick.
CREATE TABLE snapshot (
    number       INTEGER PRIMARY KEY,
    document     INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    id           BLOB NOT NULL,                  -- BLAKE3 of the statement
    signed       BLOB NOT NULL,                  -- as the document has it
    tick         INTEGER,
    kind         TEXT,
    at_us        INTEGER,
    blob         BLOB,
    size         INTEGER,
    checksum     BLOB,
    media        TEXT,
    day          INTEGER,
    parent       BLOB,
    event        BLOB,
    wrapped      INTEGER NOT NULL DEFAULT 0,
    decay        TEXT NOT NULL DEFAULT '',       -- JSON
    is_inherited INTEGER NOT NULL DEFAULT 0,     -- what a fork began with
    UNIQUE (document, id)
) STRICT;
CREATE INDEX snapshot_by_tick ON snapshot (document, tick, at_us, id);
CREATE TABLE happened (
    document INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    id       BLOB NOT NULL,
    tick     INTEGER,
    at_us    INTEGER,
    event    BLOB NOT NULL,                      -- as the document has it
    PRIMARY KEY (document, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX happened_by_tick ON happened (document, tick, at_us, id);
CREATE TABLE universe_count (
    document  INTEGER PRIMARY KEY REFERENCES document ON DELETE CASCADE,
    snapshots INTEGER NOT NULL,                  -- its own
    newest_us INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,                  -- of those states, as they are said to be
    events    INTEGER NOT NULL,
    held      INTEGER NOT NULL                   -- bytes of the rows above
) STRICT;
CREATE INDEX universe_by_owner ON listing (CAST(fields AS TEXT) ->> '$.ownerId', namespace, record, author)
    WHERE kind = 'universe';
CREATE INDEX universe_by_parent ON listing (CAST(fields AS TEXT) ->> '$.parent', namespace, record, author)
    WHERE kind = 'universe';

DROP VIEW derived_size;
CREATE VIEW derived_size (document, size) AS
    SELECT d.number, 1024 + coalesce(length(d.saved) * 5 / 4, 0)
        + coalesce((
            SELECT 512 + length(CAST(fields AS BLOB)) * 5 / 4
                + length(CAST(content AS BLOB)) * 5 / 4
                + 3 * length(CAST(words || description || name || tags AS BLOB))
                + 12 * length(CAST(target AS BLOB))
            FROM listing l WHERE l.document = d.number), 0)
        + coalesce((
            SELECT 512 + length(CAST(review AS BLOB)) * 5 / 4 + 4 * length(CAST(target AS BLOB))
            FROM rating r WHERE r.document = d.number), 0)
        + coalesce((
            SELECT 1024 + length(said) * 5 / 4 FROM attestation a WHERE a.document = d.number), 0)
        + 512 * (SELECT count(*) FROM challenge_entry e WHERE e.document = d.number)
        + coalesce((SELECT 128 + held FROM universe_count u WHERE u.document = d.number), 0)
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;
