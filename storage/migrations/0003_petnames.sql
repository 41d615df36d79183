-- This person's own words for authors: known to this node only, never sent.
CREATE TABLE petname (
    name     TEXT PRIMARY KEY,
    author   TEXT NOT NULL,                  -- did:key
    noted_us INTEGER NOT NULL                -- when the name came to mean this author
) STRICT, WITHOUT ROWID;
