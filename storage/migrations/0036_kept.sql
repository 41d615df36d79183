-- How large a blob is that a record names, and when it was named first, as its author says. No size: the
-- record named it before, and shows it no more.
ALTER TABLE blob_use ADD COLUMN size INTEGER;
ALTER TABLE blob_use ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;

-- Blobs that this node began to fetch only because records name them; it may let them go. See storage.kept.
CREATE TABLE kept (
    blob     INTEGER PRIMARY KEY REFERENCES blob ON DELETE CASCADE,
    author   BLOB NOT NULL CHECK (length(author) = 32),  -- who named it then
    is_named INTEGER NOT NULL DEFAULT 1      -- whether somebody who counts still does: else `gc` takes it
) STRICT;
