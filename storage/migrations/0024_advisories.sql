-- Advisories are looked up by the module they are about. The JSON is our own, made by the projector.
CREATE INDEX listing_about ON listing (json_extract(CAST(fields AS TEXT), '$.module'))
    WHERE kind = 'advisory';
