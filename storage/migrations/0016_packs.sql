-- Pages are kept once, whoever refers to them, and what they name with them. Of what size the chunks
-- are that a page of version 1 names is said by the root: that is part of which page it is.
CREATE TABLE page (
    number   INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    chunking INTEGER NOT NULL,               -- the version of the blob
    size     INTEGER NOT NULL,               -- of what it stands for
    data     BLOB NOT NULL,
    UNIQUE (hash, chunking, size)
) STRICT;

CREATE TABLE page_chunk (
    page  INTEGER NOT NULL REFERENCES page ON DELETE CASCADE,
    place INTEGER NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    size  INTEGER NOT NULL,
    PRIMARY KEY (page, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE page_of_blob (
    blob  INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    place INTEGER NOT NULL,                  -- which page of the blob
    first INTEGER NOT NULL,                  -- the number of the first chunk that it names
    page  INTEGER NOT NULL REFERENCES page,
    PRIMARY KEY (blob, place)
) STRICT, WITHOUT ROWID;

INSERT INTO page (hash, chunking, size, data)
    SELECT DISTINCT blake3(p.data), 1, min(268435456, b.size - p.page * 268435456), p.data
    FROM blob_page p JOIN blob b ON b.number = p.blob;
INSERT INTO page_of_blob
    SELECT p.blob, p.page, p.page * 1024,
        (SELECT number FROM page WHERE hash = blake3(p.data) AND chunking = 1
            AND size = min(268435456, b.size - p.page * 268435456))
    FROM blob_page p JOIN blob b ON b.number = p.blob;
INSERT OR IGNORE INTO page_chunk
    SELECT o.page, c.place - o.first, c.hash, min(262144, b.size - c.place * 262144)
    FROM page_of_blob o JOIN blob b ON b.number = o.blob
    JOIN blob_chunk c ON c.blob = o.blob AND c.place BETWEEN o.first AND o.first + 1023;

DROP TABLE blob_chunk;
DROP TABLE blob_page;
ALTER TABLE page_of_blob RENAME TO blob_page;
CREATE UNIQUE INDEX blob_page_by_first ON blob_page (blob, first);
CREATE INDEX blob_page_by_page ON blob_page (page);
CREATE INDEX page_chunk_by_hash ON page_chunk (hash);

ALTER TABLE blob ADD COLUMN page_count INTEGER NOT NULL DEFAULT 0;
UPDATE blob SET page_count = (size + 268435455) / 268435456;

-- Chunks of large blobs lie in files beside the database; see storage.packs.
CREATE TABLE pack (
    number INTEGER PRIMARY KEY,              -- blobs/<number>.pack
    synced INTEGER NOT NULL DEFAULT 0,       -- so many of its bytes a loss of power leaves alone
    live   INTEGER NOT NULL DEFAULT 0        -- so many are still named here
) STRICT;

CREATE TABLE packed (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    pack INTEGER NOT NULL REFERENCES pack,
    at   INTEGER NOT NULL,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX packed_by_place ON packed (pack, at);
