-- Advisories that this person accepts, each for one version of one module: it is installed all the same.
CREATE TABLE accepted_risk (
    module      TEXT NOT NULL,               -- did/id
    version     TEXT NOT NULL,
    author      TEXT NOT NULL,               -- did:key of whose word it is
    advisory    TEXT NOT NULL,               -- adv-0123456789abcdef
    accepted_us INTEGER NOT NULL,
    PRIMARY KEY (module, version, author, advisory)
) STRICT, WITHOUT ROWID;
