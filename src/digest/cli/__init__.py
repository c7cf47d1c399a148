"""The command line: parse, call a stage, print. No logic lives here."""
