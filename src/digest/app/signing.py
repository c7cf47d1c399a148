"""From the DKIM settings to a signer the mime room can use."""

from __future__ import annotations

from digest.config.settings import DkimSettings, Settings
from digest.deliver.letter import sender_domain
from digest.mime.dkim import DkimKey, Signer, parse_key
from digest.model.errors import ConfigInvalid


def load_key(settings: Settings, chosen: DkimSettings) -> DkimKey:
    """One configured key, read from its file. Raises ConfigInvalid naming the file."""
    path = settings.path(chosen.key_file)
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigInvalid(
            f"the DKIM key {path} of selector {chosen.selector!r} cannot be read: {error.strerror}",
            hint="check dkim.key_file, and the file's owner and mode",
        ) from error
    try:
        return parse_key(pem, domain=chosen.domain, selector=chosen.selector, algorithm=chosen.algorithm)
    except ConfigInvalid as problem:
        raise ConfigInvalid(f"the DKIM key {path} cannot be used: {problem.message}", hint=problem.hint) from problem


def signer_for(settings: Settings, sender_email: str) -> Signer | None:
    """What signs mail of this sender: of each algorithm the first fitting key, an exact domain before others.

    None when no key fits: then signing is the relay's business. Raises ConfigInvalid for any key that cannot be read,
    fitting or not: an operator who configured signing must not find out from a bounce that it never happened.
    """
    domain = sender_domain(sender_email)
    keys = [key for key in (load_key(settings, chosen) for chosen in settings.dkim) if key.aligns_with(domain)]
    keys.sort(key=lambda key: key.domain.lower() != domain.lower())
    chosen = {key.algorithm: key for key in reversed(keys)}
    return Signer(list(chosen.values())) if chosen else None
