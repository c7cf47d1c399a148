"""Settings, secrets and logging: built once at the top, passed down, never imported as globals."""
