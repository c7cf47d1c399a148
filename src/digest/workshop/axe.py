"""What axe-core finds in a mail, in a real browser: the accessibility rules of WCAG 2.2, levels A and AA.

Rules: axe comes from the package ``axe-playwright-python`` (optional extra ``checks``), nothing of it is in this one.
Rules about landmarks are left out for mails: the page a webmail shows them in has its own. One page serves for many
mails: axe is put into it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import Any

from digest.workshop.browser import BrowserMissing
from digest.workshop.clients import Client, simulate
from digest.workshop.findings import Finding, Group, Severity, gather
from digest.workshop.mail import Mail
from digest.workshop.page import split_mark

#: What a webmail's page answers for, not the mail in it.
LEFT_OUT = ("landmark-one-main", "region")
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_WCAG = "wcag"
_RUN = """async ([tags, off]) => {
  const rules = Object.fromEntries(off.map(name => [name, {enabled: false}]));
  const found = await axe.run(document, {runOnly: {type: 'tag', values: tags}, rules, resultTypes: ['violations']});
  const mark = selector => {
    let element = document.querySelector(selector);
    while (element && !element.hasAttribute('data-src')) element = element.parentElement;
    return element ? element.getAttribute('data-src') : '';
  };
  return found.violations.map(rule => ({
    id: rule.id, help: rule.help, impact: rule.impact || '', tags: rule.tags,
    nodes: rule.nodes.map(node => ({target: String(node.target[0]), mark: mark(String(node.target[0]))})),
  }));
}"""


@lru_cache(maxsize=1)
def axe_source() -> str:
    """The script. Raises BrowserMissing where the package with it is not installed."""
    try:
        return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise BrowserMissing("axe-core is not installed", hint="pip install 'digest-mail[checks]'") from error


def axe_findings(page: Any, mail: Mail, *, dark: bool) -> tuple[Finding, ...]:
    """What axe finds in a mail as authored, light or dark, in a Playwright page that stays open for the next mail."""
    page.set_content(simulate(mail.mapped, Client.AUTHORED, dark=dark), wait_until="domcontentloaded")
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe_source())
    violations = page.evaluate(_RUN, [list(_TAGS), list(LEFT_OUT)])
    return gather(_findings(violations, dark=dark))


def _findings(violations: list[dict[str, Any]], *, dark: bool) -> Iterator[Finding]:
    for rule in violations:
        is_wcag = any(tag.startswith(_WCAG) for tag in rule["tags"])
        for node in rule["nodes"]:
            template, line = split_mark(node["mark"]) if node["mark"] else (None, None)
            yield Finding(
                f"axe-{rule['id']}",
                Severity.BREAKS if is_wcag and rule["impact"] in {"critical", "serious"} else Severity.DEGRADES,
                Group.ACCESSIBILITY,
                f"{rule['help']} ({'dark' if dark else 'light'})",
                hint=f"The rule is described in axe-core's documentation under {rule['id']}.",
                template=template,
                line=line,
                selector=node["target"],
            )
