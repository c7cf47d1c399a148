"""What a browser does for a proof of work."""

import base64
import hashlib
import json
from dataclasses import asdict

from digest.audience.proofofwork import Challenge


def solve(challenge: Challenge) -> str:
    """Try numbers until one fits; the answer as it is sent."""
    for number in range(challenge.maxnumber + 1):
        if hashlib.sha256(f"{challenge.salt}{number}".encode()).hexdigest() == challenge.challenge:
            said = {**asdict(challenge), "number": number}
            return base64.b64encode(json.dumps(said).encode()).decode()
    raise AssertionError("the challenge has no answer")
