"""Collecting measured against the goals of the design, beside what others do (`make bench-collect`).

Each module with ``NAME`` and ``measure(data)`` is a group; `frame` finds them.
"""
