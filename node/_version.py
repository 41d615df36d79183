"""The version, read by the build and by `panspermia version`."""

__version__ = "0.1.0"
