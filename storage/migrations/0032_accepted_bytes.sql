-- An accepted risk is of certain bytes from a certain namespace, not of whatever a version holds later. What was
-- accepted without them is kept, with both empty: it accepts nothing, and tells why it is asked for again.
CREATE TABLE accepted (
    module      TEXT NOT NULL,               -- did/id
    version     TEXT NOT NULL,
    namespace   BLOB NOT NULL,               -- where the module was taken from
    sha256      TEXT NOT NULL,               -- hex, of the WASM
    author      TEXT NOT NULL,               -- did:key of whose word it is
    advisory    TEXT NOT NULL,               -- adv-0123456789abcdef
    accepted_us INTEGER NOT NULL,
    PRIMARY KEY (module, version, namespace, sha256, author, advisory)
) STRICT, WITHOUT ROWID;
INSERT INTO accepted SELECT module, version, x'', '', author, advisory, accepted_us FROM accepted_risk;
DROP TABLE accepted_risk;
ALTER TABLE accepted RENAME TO accepted_risk;
