"""Readers come, go, and are moved in bulk. Writes subscribers, subscriptions and events; never sends mail."""
