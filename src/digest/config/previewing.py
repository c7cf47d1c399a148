"""The settings of the preview and its checks."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from digest.config.section import Section
from digest.mime.address import parse_address
from digest.model.errors import BadInput

_SPAM = re.compile(r"(?:https?|spamd)://[^\s/?#@]+(?::\d+)?(?:/[^\s?#]*)?")


class PreviewSettings(Section):
    """What the preview and `digest preview check` may ask, beside their own eyes."""

    spam_url: Annotated[
        str | None,
        Field(
            description="filter that scores mails: rspamd as http://127.0.0.1:11333, SpamAssassin as spamd://127.0.0.1:783"
        ),
    ] = None
    clients: Annotated[
        tuple[str, ...],
        Field(
            description='mail clients that count, such as ["gmail.android", "outlook.windows"]; none: the common ones'
        ),
    ] = ()
    send_to: Annotated[tuple[str, ...], Field(description="addresses that test mails of the preview may go to")] = ()

    @field_validator("spam_url")
    @classmethod
    def _is_filter(cls, value: str | None) -> str | None:
        if value and not _SPAM.fullmatch(value):
            raise ValueError("must be an address such as http://127.0.0.1:11333 or spamd://127.0.0.1:783")
        return value.rstrip("/") if value else None

    @field_validator("send_to")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                parse_address(one)
            except BadInput as error:
                raise ValueError(error.message) from error
        return value
