-- Entries are the truth. Every other table up to `outbox` can be made again from them.

-- Tells this file from any other: what follows the outbox remembers whose outbox it was.
CREATE TABLE store (
    id BLOB NOT NULL
) STRICT;
INSERT INTO store VALUES (randomblob(16));

CREATE TABLE namespace (
    number INTEGER PRIMARY KEY,
    key    BLOB NOT NULL UNIQUE CHECK (length(key) = 32)
) STRICT;

-- A capability is signed once and used by thousands of entries: kept once, by its digest.
CREATE TABLE capability (
    number  INTEGER PRIMARY KEY,
    digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    encoded BLOB NOT NULL
) STRICT;

CREATE TABLE document (
    number    INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,          -- DocumentId.encode()
    namespace INTEGER NOT NULL REFERENCES namespace,
    author    BLOB NOT NULL,                 -- the subspace
    class     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    record    BLOB NOT NULL,
    epoch     INTEGER NOT NULL,
    heads     BLOB NOT NULL,                 -- 32 bytes each, ascending
    changes   INTEGER NOT NULL,              -- how many count
    left_out  INTEGER NOT NULL,              -- how many are held and do not count, see `left_out`
    saved     BLOB                           -- Automerge save of what counts; absent while small
) STRICT;
CREATE INDEX document_by_record ON document (kind, record);

CREATE TABLE entry (
    number     INTEGER PRIMARY KEY,          -- the order of arrival on this node
    id         BLOB NOT NULL CHECK (length(id) = 32),
    document   INTEGER NOT NULL REFERENCES document,
    capability INTEGER NOT NULL REFERENCES capability,
    change     BLOB NOT NULL CHECK (length(change) = 32),
    device     BLOB NOT NULL CHECK (length(device) = 32),
    seq        INTEGER NOT NULL,
    start_op   INTEGER NOT NULL,
    max_op     INTEGER NOT NULL,
    depends_on BLOB NOT NULL,                -- hashes of the changes it builds on, 32 bytes each
    auth_heads BLOB NOT NULL,                -- authority records it cites, 32 bytes each
    entry      BLOB NOT NULL,                -- the bytes that were signed, never re-encoded
    signature  BLOB NOT NULL CHECK (length(signature) = 64),
    payload    BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_by_id ON entry (substr(id, 1, 16));  -- peers name entries by 16 bytes
CREATE INDEX entry_by_document ON entry (document, device, seq);

-- The unit of reconciliation. key = order key of the entry ‖ first 16 bytes of its id; f0…f7 are
-- the lanes of the id, so that one scan in C adds up the fingerprint of any range.
CREATE TABLE item (
    namespace INTEGER NOT NULL REFERENCES namespace,
    key       BLOB NOT NULL,
    f0 INTEGER NOT NULL, f1 INTEGER NOT NULL, f2 INTEGER NOT NULL, f3 INTEGER NOT NULL,
    f4 INTEGER NOT NULL, f5 INTEGER NOT NULL, f6 INTEGER NOT NULL, f7 INTEGER NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;

-- Entries held whose change does not count for their document: it waits, lost an equivocation, was
-- revoked or is unusable.
CREATE TABLE left_out (
    entry    INTEGER PRIMARY KEY REFERENCES entry,
    document INTEGER NOT NULL REFERENCES document,
    code     TEXT NOT NULL
) STRICT;
CREATE INDEX left_out_by_document ON left_out (document);

-- The last timestamp each own device has signed: it never goes back, whatever the clock does.
CREATE TABLE authored (
    device    BLOB PRIMARY KEY,
    timestamp INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE listing (
    document    INTEGER PRIMARY KEY REFERENCES document,
    kind        TEXT NOT NULL,
    author      TEXT NOT NULL,
    record      TEXT NOT NULL,
    target      TEXT NOT NULL,               -- author/record
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,               -- case folded, for sorting
    description TEXT NOT NULL,
    tags        TEXT NOT NULL,               -- JSON
    words       TEXT NOT NULL,               -- more to index
    created_us  INTEGER NOT NULL,
    updated_us  INTEGER NOT NULL,
    fields      BLOB NOT NULL,
    stars_sum   INTEGER NOT NULL DEFAULT 0,
    stars_count INTEGER NOT NULL DEFAULT 0,
    installs    INTEGER NOT NULL DEFAULT 0,
    -- average in millionths, then the count: one number that sorts
    rating_key  INTEGER NOT NULL GENERATED ALWAYS AS
        (iif(stars_count, stars_sum * 1000000 / stars_count, 0) * 1048576
         + min(stars_count, 1048575)) VIRTUAL
) STRICT;
CREATE INDEX listing_by_record ON listing (kind, record, author);
CREATE INDEX listing_by_target ON listing (target, kind);
CREATE INDEX listing_by_recency ON listing (kind, updated_us, target);
CREATE INDEX listing_by_rating ON listing (kind, rating_key, target);
CREATE INDEX listing_by_installs ON listing (kind, installs, target);
CREATE INDEX listing_by_name ON listing (kind, name_key, target);

CREATE TABLE listing_tag (
    tag      TEXT NOT NULL,
    document INTEGER NOT NULL REFERENCES listing ON DELETE CASCADE,
    PRIMARY KEY (tag, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_tag_by_document ON listing_tag (document);

CREATE TABLE blob_use (
    document INTEGER NOT NULL REFERENCES listing ON DELETE CASCADE,
    blob     BLOB NOT NULL,
    PRIMARY KEY (document, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_use_by_blob ON blob_use (blob);

CREATE TABLE rating (
    document   INTEGER PRIMARY KEY REFERENCES document,
    document_id BLOB NOT NULL,               -- breaks ties as every node would
    target     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    author     TEXT NOT NULL,
    stars      INTEGER,
    review     TEXT NOT NULL,
    installs   INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX rating_by_target ON rating (target, kind);

-- One row for each document, moved to the end whenever it changes: any number of followers read
-- on from where they were, and nothing needs trimming.
CREATE TABLE outbox (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL UNIQUE REFERENCES document
) STRICT;

CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us  INTEGER NOT NULL,
    source TEXT NOT NULL,
    place  TEXT NOT NULL,
    code   TEXT NOT NULL,
    detail TEXT NOT NULL,
    digest BLOB NOT NULL,                    -- of source, place, code and data: repeats are counted
    size   INTEGER NOT NULL,
    data   BLOB NOT NULL,
    times  INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX quarantine_by_digest ON quarantine (digest);
CREATE INDEX quarantine_by_size ON quarantine (number, size, times);

CREATE TABLE blob (
    number      INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    size        INTEGER NOT NULL,
    chunk_count INTEGER NOT NULL,
    root        BLOB NOT NULL,
    is_complete INTEGER NOT NULL,
    begun_us    INTEGER NOT NULL
) STRICT;

CREATE TABLE blob_page (
    blob  INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    page  INTEGER NOT NULL,
    data  BLOB NOT NULL,
    PRIMARY KEY (blob, page)
) STRICT;

CREATE TABLE blob_chunk (
    blob  INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    place INTEGER NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (blob, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_chunk_by_hash ON blob_chunk (hash);

CREATE TABLE chunk (
    number INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    data   BLOB NOT NULL
) STRICT;

CREATE TABLE installed (
    module       TEXT PRIMARY KEY,           -- did/id
    version      TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    blob         BLOB NOT NULL,
    size         INTEGER NOT NULL,
    is_requested INTEGER NOT NULL,
    range        TEXT NOT NULL,
    dependencies TEXT NOT NULL,              -- JSON {did/id: range}
    installed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE answer (
    key         TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    at_us       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_by_age ON answer (at_us);

CREATE TABLE known_peer (
    address   TEXT PRIMARY KEY,
    device    BLOB,
    author    TEXT,
    source    TEXT NOT NULL,
    seen_us   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
