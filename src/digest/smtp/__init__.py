"""Towards the relay: what its replies mean, one connection, a pool of them, and the capture mailbox of the demo."""
