"""Digest: text."""
