"""Which keys sign for whom, and what `digest doctor` says about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.app.doctor import Check, Health, examine
from digest.app.line import letter_of
from digest.app.signing import signer_for
from digest.config.settings import Settings
from digest.deliver.letter import Letter
from digest.mime.dkim import Algorithm
from digest.model.delivery import Marked, Recipient
from digest.model.errors import ConfigInvalid
from digest.store.engine import Store
from support.dkimkeys import ed25519_key, ed25519_pem, rsa_key, rsa_pem, verifies
from support.sending import NOW, line_of, make_container, sending_issue


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name, pem in (("rsa.pem", rsa_pem()), ("ed.pem", ed25519_pem()), ("short.pem", rsa_pem(1024))):
        (tmp_path / name).write_bytes(pem)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def entry(folder: Path, name: str, *, domain: str = "example.com", selector: str = "r2026") -> dict[str, str]:
    return {"domain": domain, "selector": selector, "key_file": str(folder / name)}


def settings_with(*entries: dict[str, str]) -> Settings:
    return Settings.model_validate({"base_dir": Path(), "dkim": entries})


def signed_by(settings: Settings, sender: str) -> list[str]:
    signer = signer_for(settings, sender)
    if signer is None:
        return []
    made = signer.sign(b"From: a@example.com\r\n", b"x\r\n", at=NOW).decode()
    return [
        f"{part.split('; s=')[1].split(';')[0]} {part.split('d=')[1].split(';')[0]}" for part in made.split("v=1;")[1:]
    ]


def test_without_keys_the_relay_signs():
    assert signer_for(settings_with(), "desk@example.com") is None


def test_a_key_signs_only_for_senders_it_fits(keys: Path):
    settings = settings_with(entry(keys, "rsa.pem"))

    assert signed_by(settings, "desk@example.com") == ["r2026 example.com"]
    assert signed_by(settings, "desk@news.example.com") == ["r2026 example.com"]
    assert signed_by(settings, "desk@example.org") == []


def test_one_key_of_each_algorithm_signs_and_the_exact_domain_goes_first(keys: Path):
    settings = settings_with(
        entry(keys, "ed.pem", selector="e1"),
        entry(keys, "rsa.pem", selector="r1"),
        entry(keys, "rsa.pem", selector="r2"),
        entry(keys, "rsa.pem", selector="r3", domain="news.example.com"),
    )

    assert signed_by(settings, "desk@example.com") == ["r1 example.com", "e1 example.com"]
    assert signed_by(settings, "desk@news.example.com") == ["r3 news.example.com", "e1 example.com"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key_file": "gone.pem"}, "gone.pem"),
        ({"key_file": "short.pem"}, "1024 bits"),
        ({"algorithm": "ed25519-sha256"}, "not for ed25519-sha256"),
    ],
)
def test_a_key_that_cannot_be_used_stops_before_anything_is_sent(keys: Path, change: dict[str, str], words: str):
    chosen = entry(keys, "rsa.pem") | change
    settings = Settings.model_validate({"base_dir": keys, "dkim": [chosen]})
    with pytest.raises(ConfigInvalid, match=words) as caught:
        signer_for(settings, "desk@example.com")

    assert caught.value.hint


def test_the_letter_of_an_issue_is_signed(keys: Path, store: Store):
    issue = sending_issue(store, 1)
    container = make_container(store, dkim=[entry(keys, "rsa.pem"), entry(keys, "ed.pem", selector="e2026")])
    letter = letter_of(line_of(container), issue)

    assert verifies(first_mail(letter), [rsa_key(), ed25519_key()]) == [True, True]


def first_mail(letter: Letter) -> bytes:
    rendition = min(key for key, item in letter.renditions.items() if item.key.format == "html")
    reader = Recipient(
        issue_id=letter.issue.id,
        subscriber_id=1,
        rendition_id=rendition,
        attempt=1,
        first_attempt_at=None,
        email="reader1@example.com",
        name="",
        locale="en",
        token_id="t1",
        signed_up_at=NOW,
    )
    return letter.wire(reader, Marked(1, 1, NOW))


def doctors_word(folder: Path, toml: str, selector: str = "r2026") -> Check:
    config = folder / "digest.toml"
    config.write_text(toml, encoding="utf-8")
    return next(check for check in examine(config) if check.name == f"dkim {selector}")


def toml_for(name: str, domain: str = "example.com") -> str:
    return f'[[dkim]]\ndomain = "{domain}"\nselector = "r2026"\nkey_file = "{name}"\n'


def test_the_doctor_tells_the_record_to_publish(keys: Path):
    check = doctors_word(keys, toml_for("rsa.pem"))

    assert check.health is Health.OK
    assert rsa_key().zone_line() in check.message
    assert Algorithm.RSA in check.message


def test_the_doctor_finds_a_key_that_is_gone_and_one_that_is_open_to_all(keys: Path):
    (keys / "rsa.pem").chmod(0o644)
    gone, open_to_all = doctors_word(keys, toml_for("gone.pem")), doctors_word(keys, toml_for("rsa.pem"))

    assert (gone.health, open_to_all.health) == (Health.FAIL, Health.WARN)
    assert "gone.pem" in gone.message
    assert "chmod 600" in open_to_all.remedy


def test_the_doctor_warns_of_a_key_that_signs_for_nobody(keys: Path, sqlite_database: str):
    opened = Store(sqlite_database)
    sending_issue(opened, 1)
    opened.close()
    toml = f'[database]\nurl = "{sqlite_database}"\n'
    fits, other = (doctors_word(keys, toml + toml_for("rsa.pem", domain)) for domain in ("example.com", "example.org"))

    assert fits.health is Health.OK
    assert other.health is Health.WARN
    assert "no publication is sent from example.org" in other.message
