"""Every word the mail itself says, in English; templates reach them through ``t()``.

Rules: ids are short and closed, so a typo in a template is an error and not an English sentence. Values are inserted
by name. A text of several forms is chosen by the number that `COUNTED` names. Other languages are catalogues with the
same ids (`compose.catalogues`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: One form, or one for each plural of the language.
Text = str | tuple[str, ...]
Translate = Callable[..., str]

ENGLISH: Mapping[str, Text] = {
    # an issue
    "issue-number": "No. {number}",
    "issue-minutes": ("{minutes}-minute read", "{minutes}-minute read"),
    "plus": "Plus: {headlines}",
    "top-story": "Top story",
    "more-stories": "More stories",
    "more-headlines": "More headlines",
    "minutes": ("{minutes} min read", "{minutes} min read"),
    "minutes-short": ("{minutes} min", "{minutes} min"),
    "also-at": "Also at",
    "also-more": ("and {count} more", "and {count} more"),
    "updated": "updated",
    "untitled": "Untitled",
    "why": "Why it matters:",
    "left-out": ("{count} more story on the web", "{count} more stories on the web"),
    "nothing-new": "There is no news for this issue. An issue like this one is not sent.",
    "alert": "Just in",
    "advertisement": "Advertisement",
    "share-by-mail": "Send it to a friend",
    # why somebody gets it, and the ways out
    "reason": "You get {publication} at {email} because you signed up on {date}.",
    "unsubscribe": "Unsubscribe",
    "preferences": "Topics and frequency",
    "web-view": "Read on the web",
    "notice-reason": "This mail went to {email} because of one request. It is no newsletter.",
    "button-fails": "If the button does nothing, open this address:",
    "link-ends": "The link works until {time}.",
    "imprint": "{sender}, {address}",
    "comma": ", ",
    # how often it comes, and with what
    "rhythm-daily": "Every day at {time} ({zone})",
    "rhythm-weekdays": "Monday to Friday at {time} ({zone})",
    "rhythm-weekly": "Once a week at {time} ({zone})",
    "rhythm-alerts": "Breaking news as it happens",
    "all-topics": "All topics",
    "your-topics": "Your topics: {topics}",
    # confirm
    "confirm-subject": "Confirm your subscription to {publication}",
    "confirm-preheader": "One tap is left before the first issue.",
    "confirm-title": "One tap left",
    "confirm-text": "Somebody, most likely you, asked for {publication} to be sent to {email}.",
    "confirm-button": "Continue to confirm",
    "confirm-then": "A page opens with a single button on it. Press it, and you are subscribed.",
    "confirm-not-you": "It was not you? Then do nothing: without that tap no newsletter is sent to this address.",
    # welcome
    "welcome-subject": "Welcome to {publication}",
    "welcome-preheader": "What comes, when it comes, and how to stop it.",
    "welcome-title": "You’re in",
    "welcome-text": "From now on {publication} comes to {email}.",
    "welcome-expect": "What to expect",
    "welcome-leave": "Each issue ends with a link to leave. It takes one tap and no password.",
    "welcome-latest": "In the latest issue",
    "welcome-read": "Read the latest issue",
    # the link to one's preferences
    "preferences-subject": "Your link to the settings of {publication}",
    "preferences-preheader": "Choose topics and how often it comes.",
    "preferences-title": "Here is your link",
    "preferences-text": "It opens the settings of {email}: topics, how often {publication} comes, and the way out.",
    "preferences-button": "Open my settings",
    "preferences-secret": "It needs no password, so keep it to yourself.",
    "preferences-not-you": "Somebody else asked for it? Only who reads this mailbox can use it; nothing has changed.",
    # goodbye
    "goodbye-subject": "You have left {publication}",
    "goodbye-preheader": "Nothing more will come. There is a way back.",
    "goodbye-title": "You’re out",
    "goodbye-text": "{publication} no longer comes to {email}.",
    "goodbye-undo": "Was it a slip? One tap brings everything back as it was.",
    "goodbye-button": "Undo",
    "goodbye-last": "If you meant it, there is nothing left to do. Thank you for having read us.",
    # the one reminder of a request that was not confirmed
    "reminder-subject": "Still want {publication}? One tap is left",
    "reminder-preheader": "Your request waits for one tap. We will not ask again.",
    # the question to a new address
    "address-subject": "Confirm your new address for {publication}",
    "address-preheader": "One tap moves your subscription here.",
    "address-title": "Is this your new address?",
    "address-text": "A reader of {publication} wants to get it at {email} from now on.",
    "address-button": "Continue to confirm",
    "address-then": "A page opens with a single button on it. Press it, and the mail comes here.",
    "address-not-you": "It was not you? Then do nothing: without that tap everything stays as it is.",
    # word to the old address
    "moved-subject": "{publication} now comes to another address",
    "moved-preheader": "Your subscription was moved, as you asked.",
    "moved-title": "Your subscription has moved",
    "moved-text": "{publication} no longer comes to {email}: its reader asked for another address and confirmed it.",
    "moved-not-you": "It was not you? Reply to this mail, and people will look into it.",
}

#: Which value decides the form of a text that has several.
COUNTED: Mapping[str, str] = {
    "issue-minutes": "minutes",
    "minutes": "minutes",
    "minutes-short": "minutes",
    "also-more": "count",
    "left-out": "count",
}
