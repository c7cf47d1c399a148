"""Handing chunks to workers. An engine carries wake-ups only: the delivery table is the one truth."""
