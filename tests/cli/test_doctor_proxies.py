"""The doctor asks who stands in front of the pages, where somebody must."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import call, settle_in


@pytest.mark.parametrize(
    ("base_url", "proxies", "warns"),
    [
        ("https://news.example.com", "[]", True),
        ("https://news.example.com", '["127.0.0.1"]', False),
        ("http://127.0.0.1:8025", "[]", False),
    ],
)
def test_a_server_in_front_that_is_not_named_is_noticed(
    base_url: str,
    proxies: str,
    *,
    warns: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_database: str,
):
    settle_in(tmp_path, monkeypatch, sqlite_database)
    monkeypatch.setenv("DIGEST_SITE__BASE_URL", base_url)
    monkeypatch.setenv("DIGEST_SITE__PROXIES", proxies)
    checks = {check["name"]: check for check in call(capsys, "doctor", "--json").json["items"]}

    assert ("site.proxies" in checks) is warns
