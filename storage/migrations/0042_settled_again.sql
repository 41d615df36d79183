-- Whether anything of the older one was written anew against the newer one, which it then leans on; else two were tried in vain.
ALTER TABLE settled ADD COLUMN is_written INTEGER NOT NULL DEFAULT 0;
-- Of what was, nothing is noted any more once the newer one went: the older one is whole again then, and what was tried of it
-- meanwhile did nothing. See storage.unsettled.
CREATE TRIGGER settled_deleted AFTER DELETE ON settled WHEN OLD.is_written BEGIN
    DELETE FROM settled WHERE older = OLD.older;
END;
-- All are tried once more, now also against the newest one: what an older version left whole was tried against differences.
DELETE FROM settled;
