"""The relay, without IO: who is registered, circuits between them, what waits for those offline."""
