"""Digest: collect."""
