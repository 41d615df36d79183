-- What this node was given, and where it takes part: known to this node only, no rebuilding makes
-- them again. A namespace other than commons is named to nobody who does not know it.
CREATE TABLE held_capability (
    digest    BLOB PRIMARY KEY CHECK (length(digest) = 32),
    encoded   BLOB NOT NULL,
    namespace BLOB NOT NULL CHECK (length(namespace) = 32),
    mode      INTEGER NOT NULL,              -- 0 to read, 1 to write
    receiver  BLOB NOT NULL CHECK (length(receiver) = 32),
    noted_us  INTEGER NOT NULL,
    origin    TEXT NOT NULL                  -- how it came: in words, for people
) STRICT, WITHOUT ROWID;
CREATE INDEX held_capability_by_receiver ON held_capability (receiver, namespace, mode);

CREATE TABLE joined (
    namespace BLOB PRIMARY KEY CHECK (length(namespace) = 32),
    name      TEXT NOT NULL UNIQUE,
    joined_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
