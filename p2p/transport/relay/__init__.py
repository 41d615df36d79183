"""The asyncio shells of the relay: its server, its spliced circuits, and its clients."""
