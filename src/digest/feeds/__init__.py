"""Documents to articles, pure: `parse` for what came over the wire, `parse_file` for local files."""

from digest.feeds.detect import discover
from digest.feeds.reading import parse, parse_file

__all__ = ["discover", "parse", "parse_file"]
