"""Finding peers on the local network and beyond. A find is a hint, never a proof of life."""
