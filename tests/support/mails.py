"""A boring finished mail for tests of building and sending; override what matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from digest.mime.message import Message

UNSUBSCRIBE = "https://news.example.com/u/0123456789abcdefghij-_"
PLAIN = Message(
    sender_name="The Daily",
    sender_email="news@example.com",
    reply_to="desk@example.com",
    to_email="ann@example.org",
    subject="The news of Sunday",
    date=datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    message_id="<k5qxmyzb@example.com>",
    list_id_name="The Daily",
    list_id="daily.example.com",
    unsubscribe_url=UNSUBSCRIBE,
    unsubscribe_mailto="mailto:leave+0123@example.com",
    feedback_id="7:daily:digest:examplecom",
    language="en",
    text=f"Good morning.\n.\nFrom our desk: a story.\n\nLeave: {UNSUBSCRIBE}\nThe Daily, 1 Main St, Springfield\n",
    html=f'<p>Good morning.</p>\n<a href="{UNSUBSCRIBE}">Leave</a><p>The Daily, 1 Main St, Springfield</p>\n',
)


def a_message(**changes: Any) -> Message:
    """A mail that keeps every rule, with ``changes``."""
    return replace(PLAIN, **changes)
