-- Genomes are looked up by the lineage they say they are of, lineages by the one they descend from. The JSON is our own,
-- made by the projector. The expression comes first: so no other question takes these for an index of its own.
CREATE INDEX genome_by_lineage ON listing (CAST(fields AS TEXT) ->> '$.lineage_id', namespace, record, author)
    WHERE kind = 'genome';
CREATE INDEX lineage_by_parent ON listing (CAST(fields AS TEXT) ->> '$.parent', namespace, record, author)
    WHERE kind = 'lineage';
