"""How deliveries are tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from digest.model.delivery import OnDoubt


@dataclass(frozen=True, slots=True)
class Policy:
    """How deliveries are tried.

    ``claim_size``: a row of 500 claims costs a third of one of 100 (architecture 2.5), and the hands run dry between
    two claims.
    ``doubt_pause`` is how long a doubt waits for its resend: a relay that is slow to answer the dot has often taken
    the mail (RFC 1047), and its late reply is better than a second copy. ``sub_batch`` bounds what is marked and not
    answered: what a power cut can put in doubt, and a pause lag behind. ``lease_for`` must be longer than a heartbeat
    by far.
    """

    on_doubt: OnDoubt = OnDoubt.RESEND
    doubt_pause: timedelta = timedelta(minutes=15)
    retry_first: timedelta = timedelta(minutes=5)
    expire_after: timedelta = timedelta(hours=12)
    lease_for: timedelta = timedelta(minutes=2)
    claim_size: int = 1000
    sub_batch: int = 100
