"""The daemon: where disk, network, workers and the HTTP API are introduced to one another."""
