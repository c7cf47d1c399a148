"""Mail as bytes, without I/O: addresses, headers, encodings, the whole message, and its deterministic ids."""
