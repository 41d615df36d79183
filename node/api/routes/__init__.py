"""The handlers, a module a topic; each ends in its rows of the table of endpoints."""
