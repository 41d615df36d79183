-- Blobs that this person keeps, whether or not anything names them.
CREATE TABLE pinned (
    blob     INTEGER PRIMARY KEY REFERENCES blob ON DELETE CASCADE,
    name     TEXT NOT NULL,
    added_us INTEGER NOT NULL
) STRICT;
