"""Digest: compose."""
