"""Web addresses: making them absolute, and one normal form for telling articles apart.

The tracking list holds parameters that never choose the content. Everything else is kept: dropping an unknown
parameter would merge ``item?id=17`` with ``item?id=18``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urljoin, urlsplit

from yarl import URL

_TRACKING = re.compile(
    r"(?:utm|at|ns|mc|mtm|pk|piwik|_hs|hsa|oly|vero|wt|itm|trk|spm|sc|ga)_\w+|utm\w*|_hs\w+"
    r"|xtor|cmp|cmpid|wprss|partner|emc|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid"
    r"|li_fat_id|igshid|igsh|mkt_tok|s_cid|ncid|smid|smtyp|ref_src|ref_url|ftag|sr_share|rss_id|_ga|_gl|wickedid"
    r"|srnd|guccounter|guce_referrer|guce_referrer_sig|cvid|ocid|ito|ftcamp|feedtype|feedname|traffic_source|xid",
    re.IGNORECASE,
)
_WEB_SCHEMES = frozenset({"http", "https"})


def absolute(base: str, url: str) -> str:
    """``url`` as an absolute http(s) address, read against ``base``; ``""`` when it is not one."""
    url = re.sub(r"[\t\r\n]", "", url).strip()
    if not url:
        return ""
    try:
        joined = urljoin(base, url) if base else url
        parts = urlsplit(joined)
        host = parts.hostname
    except ValueError:  # "http://[broken"
        return ""
    return joined if parts.scheme.lower() in _WEB_SCHEMES and host else ""


def canonical(url: str) -> str:
    """The normal form that decides identity; ``url`` itself, stripped, when it cannot be read as an address.

    Lower-case scheme and host (IDN as A-labels), no default port, no user, no fragment, percent-encoding
    normalised (RFC 3986 §6.2.2), no tracking parameters, the other parameters sorted by name.
    """
    url = url.strip()
    try:
        parsed = URL(url)
        if parsed.scheme not in _WEB_SCHEMES or not parsed.host:
            return url
        kept = [(name, value) for name, value in parsed.query.items() if not is_tracking(name, value)]
        path_only = parsed.with_path(parsed.raw_path or "/", encoded=True).with_user(None)  # drops query and fragment
        normal = path_only.with_query(sorted(kept, key=lambda pair: pair[0])) if kept else path_only
    except (ValueError, TypeError):  # yarl raises either for hosts and ports it cannot read
        return url
    return str(normal.with_port(None) if normal.is_default_port() else normal)


def untracked(url: str) -> str:
    """``url`` as it is to be mailed: the same address without parameters that only say where the reader came from.

    Order, fragment and spelling of the rest stay as the publisher wrote them.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    pairs = [pair for pair in parts.query.split("&") if pair]
    kept = [pair for pair in pairs if not _is_tracking_pair(pair)]
    fragment = "" if _is_tracking_pair(parts.fragment) else parts.fragment
    return parts._replace(query="&".join(kept), fragment=fragment).geturl()


def _is_tracking_pair(pair: str) -> bool:
    name, separator, value = pair.partition("=")
    return bool(separator) and is_tracking(unquote_plus(name), unquote_plus(value))


def is_tracking(name: str, value: str = "") -> bool:
    """Whether a query parameter only says where the reader came from.

    ``cid`` is a campaign on some sites and the article's number on others: it is kept when it is a number.
    """
    if name.lower() == "cid":
        return not value.isdigit()
    return _TRACKING.fullmatch(name) is not None


def host(url: str) -> str:
    """The host name in lower case without a leading ``www.``, or ``""``."""
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.")
