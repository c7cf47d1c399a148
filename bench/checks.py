"""How long the checks of one mail take: ``python -m bench.checks``. The middle and the slowest of 20 rounds each."""

from __future__ import annotations

import time
from statistics import median

from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.workshop.checks import check
from digest.workshop.mail import lay_out

_ROUNDS = 20


def main() -> None:
    """Measure the digest with few and with many stories."""
    env, mapped_env = templates(), templates(source_map=True)
    for fixture in ("default", "forty", "hostile"):
        context = load_fixture(fixture)
        laid, checked = [], []
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            mail = lay_out(context, env=env, mapped_env=mapped_env, fixture=fixture)
            between = time.perf_counter()
            check(mail)
            laid.append((between - began) * 1000)
            checked.append((time.perf_counter() - between) * 1000)
        size = len(mail.rendered.html.encode()) / 1024
        print(
            f"{fixture:8} {size:5.1f} KB  lay out {median(laid):5.1f} ms (max {max(laid):5.1f})"
            f"  check {median(checked):5.1f} ms (max {max(checked):5.1f})"
        )


if __name__ == "__main__":
    main()
