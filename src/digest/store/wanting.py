"""Which issues a reader wants, as conditions: what is fanned out, and what may still be claimed.

A reader agrees to the digest and to alerts apart. An alert goes to those who want alerts, every other issue to those
who want the digest in its cadence.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, literal_column, or_

from digest.model.publication import ALERT_PREFIX, is_alert
from digest.store.tables import issue, subscription


def wants(cadence: str) -> ColumnElement[bool]:
    """Whether a subscription, if it is active, is to get issues of that cadence."""
    if is_alert(cadence):
        return subscription.c.alerts
    return and_(subscription.c.digest, subscription.c.cadence == cadence)


def still_wants() -> ColumnElement[bool]:
    """The same for a subscription and an issue that are joined: who changed their mind meanwhile is not mailed."""
    # Spelled out, so that it can stand in a prepared statement, which has no values of its own.
    of_alert = issue.c.cadence.like(literal_column(f"'{ALERT_PREFIX}%'"))
    return or_(
        and_(subscription.c.digest, subscription.c.cadence == issue.c.cadence),
        and_(of_alert, subscription.c.alerts),
    )
