-- Snapshots that were written anew against one after them, or tried: no start looks at them again. See storage.unsettled.
CREATE TABLE settled (
    blob INTEGER PRIMARY KEY REFERENCES blob ON DELETE CASCADE
) STRICT;
