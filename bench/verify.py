"""A process: check kept messages with dkimpy, Python's mail parser and Jinja2, none of which the product uses to send.

    python -m bench.verify FOLDER --count N --issue ISSUE RSA_KEY ED25519_KEY

It prints how many messages there were, how many of them are right, and the bytes of the longest.
"""

from __future__ import annotations

import argparse
import base64
import email
import email.policy
import re
import sys
from email.message import EmailMessage
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bench.corpus import DOMAIN, rendered
from bench.readers import address

_SIGNATURES = 2
_SIGNED_UP = re.compile(r"signed up on (.+?)\.\n")


def zone(files: list[Path]) -> dict[bytes, bytes]:
    """The DNS that publishes the keys: selector and record."""
    published = {}
    for file in files:
        public = load_pem_private_key(file.read_bytes(), None).public_key()
        if file.stem == "rsa":
            kind, raw = b"rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, raw = b"ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        record = b"v=DKIM1; k=%s; p=%s" % (kind, base64.b64encode(raw))
        published[f"{file.stem}._domainkey.{DOMAIN}.".encode()] = record
    return published


def _signature_trouble(raw: bytes, published: dict[bytes, bytes]) -> str:
    def dns(name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001 - as dkimpy calls it
        return published.get(name)

    verifier = dkim.DKIM(raw)
    for index in range(_SIGNATURES):
        try:
            verifies = verifier.verify(index, dnsfunc=dns)
        except dkim.DKIMException as error:
            return f"signature {index}: {error}"
        if not verifies:
            return f"signature {index} does not verify"
    return ""


def trouble(raw: bytes, published: dict[bytes, bytes]) -> str:
    """What is wrong with a message, or nothing."""
    if wrong := _signature_trouble(raw, published):
        return wrong
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    text, html = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    signed_up = _SIGNED_UP.search(text)
    if signed_up is None:
        return "it does not say when the reader signed up"
    personal = {
        "email": str(message["To"]),
        "signed_up_on": signed_up[1],
        "unsubscribe_url": message["List-Unsubscribe"].split(">")[0].strip("< "),
    }
    wanted_html, wanted_text = rendered(personal)
    if text.rstrip() != wanted_text.rstrip():
        return "the text part differs"
    return "" if html.rstrip() == wanted_html.rstrip() else "the HTML part differs"


def main() -> None:
    """Check everything in the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("keys", type=Path, nargs=2)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--issue", type=Path, required=True)
    options = parser.parse_args()
    published = zone(options.keys)
    readers = {address(number) for number in range(1, options.count + 1)}
    good = longest = 0
    files = sorted(options.folder.glob("*.eml"))
    for file in files:
        raw = file.read_bytes()
        longest = max(longest, len(raw))
        to = str(email.message_from_bytes(raw, policy=email.policy.SMTP)["To"])
        wrong = trouble(raw, published) or ("" if to in readers else f"{to} is no reader, or got two")
        readers.discard(to)
        good += not wrong
        if wrong:
            print(f"{file.name}: {wrong}", file=sys.stderr)
    if len(files) != options.count:
        raise SystemExit(f"{options.count} messages were expected, {len(files)} are there")
    print(len(files), good, longest)


if __name__ == "__main__":
    main()
