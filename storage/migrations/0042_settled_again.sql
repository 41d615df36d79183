-- Of two snapshots of which the older one was written anew against the newer one nothing is noted any more once the newer
-- one went: the older one is whole again then, and what was tried of it meanwhile did nothing. See storage.unsettled.
CREATE TRIGGER settled_deleted AFTER DELETE ON settled BEGIN
    DELETE FROM settled WHERE older = OLD.older;
END;
-- All are tried once more, now also against the newest one: what an older version left whole was tried against differences.
DELETE FROM settled;
