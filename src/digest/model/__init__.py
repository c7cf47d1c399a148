"""The vocabulary as frozen data: no I/O, standard library only. Everything else may import it."""
