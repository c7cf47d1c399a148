"""Second stage: which articles make an issue, in which order, and why. Pure functions, deterministic, no I/O."""
