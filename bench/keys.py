"""A process: make throw-away keys, so that the measuring one need not load a library for it.

    python -m bench.keys FOLDER

DKIM keys ``rsa.pem`` (2048 bits) and ``ed25519.pem``, unless they are there, and a fresh certificate for 127.0.0.1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.certificates import make_certificate


def main() -> None:
    """Fill the folder."""
    folder = Path(sys.argv[1])
    files = folder / "rsa.pem", folder / "ed25519.pem"
    if not all(file.exists() for file in files):
        made = rsa.generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
        for file, key in zip(files, made, strict=True):
            file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    print(*files, *make_certificate(folder))


if __name__ == "__main__":
    main()
