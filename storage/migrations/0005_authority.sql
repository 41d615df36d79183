-- What is said under /_auth and /_ck, by the entry that says it. Like all that is derived, it is made
-- again from the entries where the rules have changed.
CREATE TABLE statement (
    entry     INTEGER PRIMARY KEY REFERENCES entry,
    namespace INTEGER NOT NULL REFERENCES namespace,
    issuer    BLOB NOT NULL,                 -- the key of the subspace
    type      TEXT NOT NULL,
    key       BLOB,                          -- who is cut off; of an unrevocation: what is taken back
    area      BLOB,                          -- of a revocation: relative to the full area
    at        INTEGER NOT NULL,              -- the entry's time, µs TAI since J2000
    frontier  BLOB,                          -- the blob that has it; NULL where it stands in the payload
    is_known  INTEGER NOT NULL,              -- whether `frontier` has what it names
    stands    INTEGER NOT NULL,
    in_force  INTEGER NOT NULL               -- of a revocation: it stands and was not taken back
) STRICT;
CREATE INDEX statement_by_issuer ON statement (namespace, issuer, type);
CREATE INDEX statement_in_force ON statement (namespace, key) WHERE in_force;
CREATE INDEX statement_by_frontier ON statement (frontier, is_known) WHERE frontier IS NOT NULL;

CREATE INDEX document_by_author ON document (author, namespace);
CREATE INDEX document_logs ON document (namespace, author) WHERE class IN ('_auth', '_ck');

CREATE TABLE frontier (
    statement INTEGER NOT NULL REFERENCES statement ON DELETE CASCADE,
    document  BLOB NOT NULL,                 -- DocumentId.encode()
    heads     BLOB NOT NULL,                 -- 32 bytes each, ascending
    PRIMARY KEY (statement, document)
) STRICT, WITHOUT ROWID;

-- Through which keys a capability came: who is cut off leads to what they wrote.
CREATE TABLE capability_key (
    key        BLOB NOT NULL,
    capability INTEGER NOT NULL REFERENCES capability,
    PRIMARY KEY (key, capability)
) STRICT, WITHOUT ROWID;
-- When its area ends; NULL for never.
ALTER TABLE capability ADD COLUMN until INTEGER;
CREATE INDEX capability_until ON capability (number) WHERE until IS NOT NULL;
CREATE INDEX entry_by_capability ON entry (capability, document);
CREATE INDEX left_out_by_code ON left_out (code, document);

-- Documents to be judged again, because a statement came, stood or fell.
CREATE TABLE stale (
    document INTEGER PRIMARY KEY REFERENCES document
) STRICT;
