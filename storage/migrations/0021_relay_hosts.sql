-- The host from which a device last came: where there are too many, those of the host with most go.
ALTER TABLE relay_card ADD COLUMN host TEXT NOT NULL DEFAULT '';
UPDATE relay_card SET host = lower(hex(device));  -- who came before this was noted stands for itself
CREATE INDEX relay_card_by_host ON relay_card (host, seen_us);
