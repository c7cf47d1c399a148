"""Documents to articles, pure: `parse` for sources on the web, `parse_file` for local files, `examine` for people."""

from digest.feeds.reading import examine, parse, parse_file

__all__ = ["examine", "parse", "parse_file"]
