"""Wiring: the container, the straight line of a run, the clock. The only room that knows every stage."""
