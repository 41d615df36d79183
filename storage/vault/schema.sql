-- Objects: chunks and pages of blobs of version 2, by their BLAKE3. What names them stands in the database.

-- The whole hash: a page of a peer names what it likes, and what is half a name of ours would be taken for it.
CREATE TABLE name (
    key    BLOB PRIMARY KEY CHECK (length(key) = 32),
    id     INTEGER NOT NULL,                 -- in `whole` or in `delta`, never in both
    size   INTEGER NOT NULL,                 -- of the plain bytes
    height INTEGER NOT NULL DEFAULT 0        -- deltas that lean on it, one on the other
) STRICT, WITHOUT ROWID;

-- Two tables, because a row that shrinks in its place leaves a hole: both are only appended to.
CREATE TABLE whole (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,  -- none is given twice
    data BLOB NOT NULL                       -- see storage.vault.rows: encode
) STRICT;

CREATE TABLE delta (
    id    INTEGER PRIMARY KEY,
    bases BLOB NOT NULL,                     -- ids, each as LEB128
    data  BLOB NOT NULL                      -- one zstd frame; its dictionary is the bases' plain bytes, joined
) STRICT;

-- Blobs of which the older is still to be written anew against the newer.
CREATE TABLE todo (
    number INTEGER PRIMARY KEY,
    older  BLOB NOT NULL CHECK (length(older) = 32),
    newer  BLOB NOT NULL CHECK (length(newer) = 32),
    UNIQUE (older, newer)
) STRICT;
