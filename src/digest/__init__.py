"""Digest: collects the day's articles, composes one digest, sends it provably once."""

__version__ = "0.1.0"
