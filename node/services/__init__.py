"""What the node does for people, as plain functions over the store, the workers and the network."""
