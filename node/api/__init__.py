"""The HTTP API: endpoints as a table, the guard around them, and the OpenAPI document from both."""
