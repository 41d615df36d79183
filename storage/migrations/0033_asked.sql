-- Which question an attestation answers, and when somebody entered with it, beside the JSON that says so: a standing of
-- very many words is looked through by an index alone.
ALTER TABLE attestation ADD COLUMN evaluator TEXT;  -- hex
ALTER TABLE attestation ADD COLUMN seed INTEGER;
ALTER TABLE attestation ADD COLUMN ticks INTEGER;
UPDATE attestation SET
    evaluator = json_extract(CAST(said AS TEXT), '$.evaluator'),
    seed = json_extract(CAST(said AS TEXT), '$.seed'),
    ticks = json_extract(CAST(said AS TEXT), '$.ticks');
CREATE INDEX attestation_asked ON attestation (namespace, genome, evaluator, ticks, seed, author, evaluation);

ALTER TABLE challenge_entry ADD COLUMN at_us INTEGER;
UPDATE challenge_entry SET at_us = (
    SELECT j.value ->> '$.at_us' FROM attestation a, json_each(CAST(a.said AS TEXT), '$.entered') j
    WHERE a.document = challenge_entry.document AND j.value ->> '$.challenge' = challenge_entry.challenge);
DROP INDEX challenge_entry_by_challenge;
CREATE INDEX challenge_entry_by_challenge ON challenge_entry (namespace, challenge, author, at_us);
