-- One author may keep the same record in several namespaces, and what is said of it in one of them
-- says nothing of the other. All of this is made again from the entries: see `derived`.
DROP TABLE listing_tag;
DROP TABLE blob_use;
DROP TABLE listing;
DROP TABLE rating;

CREATE TABLE listing (
    document    INTEGER PRIMARY KEY REFERENCES document,
    namespace   INTEGER NOT NULL REFERENCES namespace,
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
CREATE INDEX listing_by_record ON listing (namespace, kind, record, author);
CREATE INDEX listing_by_target ON listing (target, kind, namespace);
CREATE INDEX listing_by_recency ON listing (namespace, kind, updated_us, target);
CREATE INDEX listing_by_rating ON listing (namespace, kind, rating_key, target);
CREATE INDEX listing_by_installs ON listing (namespace, kind, installs, target);
CREATE INDEX listing_by_name ON listing (namespace, kind, name_key, target);

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
    namespace  INTEGER NOT NULL REFERENCES namespace,
    document_id BLOB NOT NULL,               -- breaks ties as every node would
    target     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    author     TEXT NOT NULL,
    stars      INTEGER,
    review     TEXT NOT NULL,
    installs   INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX rating_by_target ON rating (target, kind, namespace);
