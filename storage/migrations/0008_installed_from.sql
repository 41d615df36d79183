-- The namespace that an installed module came from, where its newer versions are looked for;
-- NULL: commons.
ALTER TABLE installed ADD COLUMN namespace BLOB;
