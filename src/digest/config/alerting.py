"""The settings of breaking news."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated

from pydantic import Field, field_validator

from digest.config.section import Section

_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class AlertSettings(Section):
    """Breaking news: how much of it, how long it is news, and when readers are left in peace."""

    per_day: Annotated[int, Field(ge=1, le=100, description="alerts of one publication in 24 hours")] = 5
    stale_after_s: Annotated[int, Field(ge=60, le=86400, description="an alert nobody got by then is dropped")] = 7200
    quiet_hours: Annotated[
        str | None,
        Field(description='local hours without alerts, such as "22:00-06:30"; none: no such hours'),
    ] = None

    @field_validator("quiet_hours")
    @classmethod
    def _is_span(cls, value: str | None) -> str | None:
        if value and not _HOURS.fullmatch(value):
            raise ValueError('must be two times of day, such as "22:00-06:30"')
        return value or None

    @property
    def quiet(self) -> tuple[time, time] | None:
        """From when until when readers are left in peace; None for never."""
        if self.quiet_hours is None:
            return None
        begin, _, end = self.quiet_hours.partition("-")
        return time.fromisoformat(begin), time.fromisoformat(end)
