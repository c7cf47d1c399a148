"""The only SQL. Functions take an explicit `Tx`, return frozen model objects; rows never leave this room."""
