"""Whether a page shows its article at all, or a wall before it: a subscription, a login or a consent.

Rules: a page with a whole article is no wall, whatever it says of subscriptions. What counts is that the text is
short and the page says that there is more of it for others, or that what we got is the question instead of the
article.
"""

from __future__ import annotations

import re

from digest.feeds.pagefacts import Page, text_of
from digest.model.article import Barrier
from digest.text.phrases import any_of

#: A text of so many characters is an article, not the opening of one that somebody has to pay for.
_WHOLE_CHARS = 2_000
_SHORT_CHARS = 1_200
_ASKS_MONEY = re.compile(
    any_of(r"""
        (?:subscribe|sign in|log in|register|already a subscriber)[^.]{0,60}\bto (?:continue|read|keep|view)
        (?:subscribe|become a (?:member|subscriber))[^.]{0,60}\bto (?:continue|read|keep reading|unlock|access)
        to get (?:full|unlimited) access|start your (?:free )?trial|unlock this (?:article|story)
        th(?:is|e) (?:article|story|content) is (?:for|only|available|reserved|exclusive)\b[^.]{0,40}\b(?:subscr|memb)
        for subscribers only|subscriber[- ]only|continue reading (?:this|your) article
        you(?:['’]ve| have) (?:reached|read|used) (?:your|all|the)[^.]{0,40}(?:limit|free articles)
        (?:weiterlesen|jetzt lesen) mit|diesen artikel (?:weiterlesen|lesen)|nur für abonnenten|mit einem abo\b
        bereits abonnent
        article réservé|réservé aux abonnés|la suite est réservée|il vous reste [\d.,]+ ?% de cet article|déjà abonné
        contenido exclusivo para (?:suscriptores|socios)|solo para suscriptores|suscríbete para (?:seguir|leer)
        contenuto riservato agli abbonati|abbonati per (?:leggere|continuare)|exclusiv[oa] para assinantes
        (?:alleen|exclusief) voor abonnees|endast för prenumeranter|kun for abonnenter|dostęp tylko dla
    """),
    re.IGNORECASE,
)
_ASKS_CONSENT = re.compile(
    any_of(r"""
        before you continue|we value your privacy|your privacy (?:choices|matters)|cookie (?:policy|settings|consent)
        we (?:and our (?:\d+ )?(?:partners|vendors))[^.]{0,80}(?:cookies|store|process|personal data)
        (?:accept|manage|reject) (?:all )?(?:cookies|choices|consent)
        mit werbung (?:und tracking )?(?:weiterlesen|lesen)|ihre privatsphäre
        wir (?:und unsere partner)[^.]{0,80}(?:cookies|daten)
        um .{3,40} nutzen zu können.{0,80}(?:zustimm|einwillig)
        nous (?:et nos partenaires)[^.]{0,80}(?:cookies|données)
        nosotros y nuestros (?:socios|partners)[^.]{0,80}(?:cookies|datos)|noi e (?:i nostri|terze)[^.]{0,80}cookie
        enable javascript|javascript (?:is )?(?:disabled|required)
        checking (?:your|if the site) (?:browser|connection)
        verify (?:you are|that you are) (?:a )?human|are you a robot|access denied|unusual traffic|just a moment
    """),
    re.IGNORECASE,
)
_UNSEEN = frozenset({"script", "style", "noscript", "template", "nav", "footer", "header"})


def of(page: Page, text: str) -> Barrier | None:
    """The wall a page puts before its article, or None. ``text`` is what was read of it."""
    if len(text) >= _WHOLE_CHARS:
        return None
    title = " ".join(page.headings) or (page.tree.findtext(".//title") or "")
    if _ASKS_CONSENT.search(title) or (len(text) < _SHORT_CHARS and len(_ASKS_CONSENT.findall(text)) >= 2):
        return Barrier.CONSENT
    if len(text) < _SHORT_CHARS and (_is_paid(page) or _ASKS_MONEY.search(_shown(page))):
        return Barrier.PAYWALL
    return None


def _is_paid(page: Page) -> bool:
    """Whether the page tells search engines that its article is not free (schema.org isAccessibleForFree)."""
    told = page.linked.get("isAccessibleForFree", page.about.get("isAccessibleForFree"))
    if told is False or text_of(told).casefold() in {"false", "no"} or str(told).casefold() == "false":
        return True
    tier = page.first("article:content_tier", "og:article:content_tier", "content_tier").casefold()
    return tier in {"locked", "metered"}


def _shown(page: Page) -> str:
    """What readers see of the page, forms and buttons left in: a wall is often nothing else."""
    body = page.tree.find(".//body")
    if body is None:
        return ""
    pieces: list[str] = []
    pending = [body]
    while pending:
        node = pending.pop()
        if not isinstance(node.tag, str) or node.tag in _UNSEEN:
            continue
        pieces += [node.text or "", *(child.tail or "" for child in node)]
        pending += list(node)
    return " ".join(" ".join(pieces).split())
