"""Pictures in an issue: where they come from, and our own copies of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ImageMode(StrEnum):
    """Where readers get pictures from."""

    OWN = "own"
    REMOTE = "remote"
    NONE = "none"


class ImageSize(StrEnum):
    """The two places a picture can have in a mail: over the lead, or small beside a story."""

    LEAD = "lead"
    THUMB = "thumb"


@dataclass(frozen=True, slots=True)
class OwnImage:
    """A copy of ours, by its content: ``hash`` is the hex SHA-256 of the JPEG; sizes in pixels."""

    hash: str
    width: int
    height: int

    @property
    def path(self) -> str:
        """Where our web server has it, below the site's address; the same for good."""
        return f"/images/{self.hash}.jpg"
