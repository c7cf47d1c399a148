"""The inside of a worker process: ``python -m digest.collect.sandboxed MEMORY_BYTES JOB…``, see `collect.sandbox`.

Rules: stdin and stdout carry frames and nothing else; the process ends when stdin does. Limits are the kernel's, so
that they hold inside C libraries too: address space (RLIMIT_AS) and processor time (ITIMER_PROF, whose signal ends
the process). What a job raises is told to the other side; only a process that is still whole goes on.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from io import BufferedReader, BufferedWriter
from typing import Any

from digest.collect.sandbox import LENGTHS, Trouble
from digest.model.article import Barrier, ParsedArticle
from digest.model.errors import FeedMalformed

#: Libraries keep caches that only grow; a process is replaced after so many jobs, or when it has grown so much.
_MOST_JOBS = 300
_MOST_GROWTH = 256 * 1024 * 1024


def main() -> None:
    """Serve jobs until stdin ends."""
    memory_bytes = int(sys.argv[1])
    source, sink = _pipes()
    logging.disable(logging.CRITICAL)  # libraries complain about pages; nobody could do anything about it
    for name in sys.argv[2:]:
        _PREPARED[name]()
    standing = _status("VmSize")
    if standing:
        resource.setrlimit(resource.RLIMIT_AS, (standing + memory_bytes,) * 2)
    resident = _status("VmRSS")
    _write(sink, {"ready": True}, b"")
    for number in range(1, _MOST_JOBS + 1):
        header, body = _read(source)
        answer, out = _answer(header, body)
        grown = _status("VmRSS") - resident > _MOST_GROWTH
        answer["retire"] = number == _MOST_JOBS or grown or answer.get("failed") == Trouble.MEMORY
        _write(sink, answer, out)


def article_document(article: ParsedArticle) -> dict[str, Any]:
    """An article as JSON data."""
    return asdict(article) | {
        "published_at": article.published_at.isoformat() if article.published_at else None,
        "updated_at": article.updated_at.isoformat() if article.updated_at else None,
    }


def article_of(document: dict[str, Any]) -> ParsedArticle:
    """The article that `article_document` wrote; pages have no enclosures. Raises ValueError for other data."""
    values = document | {
        "published_at": datetime.fromisoformat(document["published_at"]) if document["published_at"] else None,
        "updated_at": None,
        "labels": tuple(document["labels"]),
        "marks": tuple(document["marks"]),
        "enclosures": (),
        "barrier": Barrier(document["barrier"]) if document["barrier"] else None,
    }
    return ParsedArticle(**values)


def _article(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    from digest.feeds import webpage  # noqa: PLC0415 - the other side imports this module for its documents only

    found = webpage.read(raw, url=options["url"], content_type=options["content_type"], quick=options["quick"])
    return article_document(found), b""


def _image(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    from digest.collect import resizing  # noqa: PLC0415 - the same

    copy = resizing.resized(raw, width=options["width"], height=options["height"], is_cut=options["is_cut"])
    return {"width": copy.width, "height": copy.height}, copy.content


#: What can be asked for: name → (options, document) → (JSON value, bytes).
JOBS: dict[str, Callable[[dict[str, Any], bytes], tuple[Any, bytes]]] = {"article": _article, "image": _image}


def _answer(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    # The signal's default action ends the process, wherever it is: a handler would wait for a C library to return.
    signal.setitimer(signal.ITIMER_PROF, header["limit_s"])
    try:
        answer, out = JOBS[header["job"]](header["options"], body)
    except FeedMalformed as refused:
        return {"refused": refused.message, "hint": refused.hint}, b""
    except MemoryError:
        return {"failed": Trouble.MEMORY}, b""
    except Exception as error:  # noqa: BLE001 - edge of the loop: the other side logs it and tries the other way
        return {"failed": Trouble.CRASH, "detail": f"{type(error).__name__}: {error}"[:500]}, b""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {"answer": answer}, out


def _prepare_images() -> None:
    from digest.collect import resizing  # noqa: F401, PLC0415


def _prepare_articles() -> None:
    """Import now what jobs would import: neither their time nor their memory is to pay for it."""
    import htmldate  # noqa: F401, PLC0415
    import resiliparse.extract.html2text  # noqa: F401, PLC0415
    import trafilatura  # noqa: F401, PLC0415

    from digest.feeds import webpage  # noqa: F401, PLC0415
    from digest.text import dates, language  # noqa: PLC0415

    language.detect("the model is loaded with the first text")
    dates.parse("12 Σεπτεμβρίου 2019")  # so are the tables of dates in words


_PREPARED = {"article": _prepare_articles, "image": _prepare_images}


def _pipes() -> tuple[BufferedReader, BufferedWriter]:
    """Our ends of the pipes, out of reach of whatever prints."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return source, sink


def _read(source: BufferedReader) -> tuple[dict[str, Any], bytes]:
    """The next frame; ends the process where the stream does."""
    lengths = source.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        os._exit(0)  # at once: there is nothing to tidy up, and caches take time to take down
    head, body = LENGTHS.unpack(lengths)
    return json.loads(source.read(head)), source.read(body)


def _write(sink: BufferedWriter, header: dict[str, Any], body: bytes) -> None:
    head = json.dumps(header).encode()
    try:
        sink.write(LENGTHS.pack(len(head), len(body)) + head)
        sink.write(body)
        sink.flush()
    except BrokenPipeError:
        os._exit(0)  # nobody is there any more


def _status(key: str) -> int:
    """A size of this process in bytes, from the kernel; 0 where there is no such place to look."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123 - a few microseconds, each job
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
    except OSError:
        return 0


if __name__ == "__main__":
    main()
