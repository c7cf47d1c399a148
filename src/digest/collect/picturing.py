"""A publisher's picture, fetched under the limits of every fetch and made into copies of ours within the sandbox."""

from __future__ import annotations

from collections.abc import Iterable

from digest.collect.fetch import Fetcher
from digest.collect.resizing import Resized
from digest.collect.sandbox import JobFailed, JobRefused, Sandbox
from digest.model.errors import FeedMalformed
from digest.model.image import ImageSize

#: Pixels: twice what the mail shows, for screens with two pixels to a point, in the shapes of ``email/theme.css``.
#: A lead may be flatter than its shape, a small picture is cut to it.
SHAPES = {ImageSize.LEAD: (1200, 840), ImageSize.THUMB: (224, 224)}
#: Seconds for decoding and writing one; a photograph of 24 million pixels takes half of one.
_LIMIT_S = 10.0


async def copies(
    fetcher: Fetcher, sandbox: Sandbox, url: str, *, sizes: Iterable[ImageSize]
) -> dict[ImageSize, Resized]:
    """The picture at ``url`` in each size. Raises SourceUnreachable, and FeedMalformed for what is no picture."""
    fetched = await fetcher.get(url)
    made: dict[ImageSize, Resized] = {}
    for size in sizes:
        width, height = SHAPES[size]
        options = {"width": width, "height": height, "is_cut": size is ImageSize.THUMB}
        try:
            answer, content = await sandbox.run("image", options, fetched.body or b"", limit_s=_LIMIT_S)
        except JobRefused as refused:
            raise FeedMalformed(refused.message, hint=refused.hint) from refused
        except JobFailed as failure:
            raise FeedMalformed(f"the picture cannot be read ({failure})", hint="look at it in a browser") from failure
        made[size] = Resized(content, int(answer["width"]), int(answer["height"]))
    return made
