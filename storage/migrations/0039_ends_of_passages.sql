-- Passages are looked up by the universes at their ends: by the id alone, or by the full name `did/id`.
-- The JSON is our own, made by the projector. As in 0035, the expression comes first.
CREATE INDEX passage_by_source ON listing (
    substr(CAST(fields AS TEXT) ->> '$.source', instr(CAST(fields AS TEXT) ->> '$.source', '/') + 1),
    CAST(fields AS TEXT) ->> '$.source') WHERE kind = 'passage';
CREATE INDEX passage_by_target ON listing (
    substr(CAST(fields AS TEXT) ->> '$.target', instr(CAST(fields AS TEXT) ->> '$.target', '/') + 1),
    CAST(fields AS TEXT) ->> '$.target') WHERE kind = 'passage';
