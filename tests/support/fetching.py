"""One fetch, and how it fails, in a line."""

from __future__ import annotations

import pytest

from digest.collect.fetch import Fetched, Fetcher
from digest.collect.troubles import FetchFailed
from digest.config.settings import CollectSettings
from support.names import Names

BODY = b"<rss>hello</rss>"
OURS = "https://digest.example.com"


def settings_with(**changes: object) -> CollectSettings:
    return CollectSettings.model_validate({"allow_private_networks": True, "timeout_s": 5, **changes})


async def fetch(
    url: str,
    *,
    validators: Fetched | None = None,
    names: Names | None = None,
    insecure_tls: bool = False,
    **changes: object,
) -> Fetched:
    async with Fetcher(settings_with(**changes), base_url=OURS, resolver=names) as fetcher:
        return await fetcher.get(
            url,
            etag=validators.etag if validators else None,
            last_modified=validators.last_modified if validators else None,
            insecure_tls=insecure_tls,
        )


async def failure_of(url: str, **options: object) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        await fetch(url, **options)  # type: ignore[arg-type]  # passed through as they came
    assert caught.value.hint
    return caught.value
