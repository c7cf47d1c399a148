"""The floor under a signed message in this interpreter: SHA-256 of its body, one bare RSA-2048 signature, nothing else.

python floor.py COUNT ISSUE KEY
"""

from __future__ import annotations

import hashlib
import json
import quopri
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def main() -> None:
    """Hash and sign the same body again and again."""
    count, issue, key_file = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), sys.argv[3]
    key = load_pem_private_key(Path(key_file).read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    body = b"".join(quopri.encodestring(issue[part].encode()) for part in ("text", "html"))
    scheme, digest_is_given = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    for _ in range(count):
        key.sign(hashlib.sha256(body).digest(), scheme, digest_is_given)


if __name__ == "__main__":
    main()
