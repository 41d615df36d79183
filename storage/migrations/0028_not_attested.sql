-- What this machine has no answer for, by where it was asked. What was noted before went by the evaluation alone,
-- and held what was only not here yet: all of it is tried again.
DROP TABLE not_attested;
CREATE TABLE not_attested (
    namespace  INTEGER NOT NULL REFERENCES namespace,
    evaluation BLOB NOT NULL,
    engine     TEXT NOT NULL,                -- what tried it; another one may do better
    code       TEXT NOT NULL,
    at_us      INTEGER NOT NULL,
    until_us   INTEGER,                      -- when it is tried again all the same
    PRIMARY KEY (namespace, evaluation)
) STRICT, WITHOUT ROWID;
