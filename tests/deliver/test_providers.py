from __future__ import annotations

import pytest

from digest.deliver.providers import domain_of, provider_of


@pytest.mark.parametrize(
    ("email", "provider"),
    [
        ("ann@gmail.com", "gmail.com"),
        ("ann@GoogleMail.com", "gmail.com"),
        ("ann@hotmail.fr", "outlook.com"),
        ("ann@me.com", "icloud.com"),
        ("ann@Example.ORG", "example.org"),
        ('"odd@local"@web.de', "gmx.net"),
    ],
)
def test_a_provider_is_known_under_one_name_however_many_it_gives_away(email: str, provider: str):
    assert provider_of(domain_of(email)) == provider
