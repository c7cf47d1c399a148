"""A publication with a sign-up box, and the mails that its readers are owed, kept in a list instead of rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from digest.audience import confirm, signup
from digest.audience.mails import Links, ReaderMail
from digest.audience.signup import SignUpForm, SignUpResult
from digest.config.readers import SignUpSettings
from digest.config.secrets import Keyring
from digest.model.mailbox import DomainVerdict
from digest.model.notice import NoticeKind
from digest.model.publication import Cadence, CadenceRule
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import publications, subscribers, subscriptions
from digest.store.engine import Store, Tx
from support.factories import NOW, make_publication

KEYS = Keyring([b"a key that is long enough for us all"])
LINKS = Links("https://news.example.com", KEYS)
LIMITS = SignUpSettings()
BOX = SignUpForm(
    email="ann@example.com", digest=True, alerts=False, page="/morning", address="192.0.2.77", wording="2026-12"
)


@dataclass
class Desk:
    """What readers do at a publication; ``now`` is moved on by hand, ``mails`` is what they got."""

    store: Store
    now: datetime = NOW
    limits: SignUpSettings = LIMITS
    mails: list[ReaderMail] = field(default_factory=list)
    keys: Keyring = KEYS
    links: Links = LINKS

    def post(self, _tx: Tx, mail: ReaderMail) -> None:
        """Keep it, once."""
        assert mail.dedupe_key not in {one.dedupe_key for one in self.mails}
        self.mails.append(mail)

    def form(self, **said: object) -> SignUpForm:
        token = signup.form_token(self.keys, now=self.now - timedelta(seconds=30))
        return replace(BOX, **{"form_token": token} | said)  # type: ignore[arg-type]  # a test's

    def fill_in(self, **said: object) -> SignUpResult:
        return signup.take(self.store, self.keys, "morning", form=self.form(**said), limits=self.limits, now=self.now)

    def answer(self, result: SignUpResult, verdict: DomainVerdict = DomainVerdict.UNKNOWN) -> object:
        assert result.signup_id is not None
        return signup.answer(
            self.store,
            self.links,
            result.signup_id,
            post=self.post,
            limits=self.limits,
            ask=lambda _domain: verdict,
            now=self.now,
        )

    def sign_up(self, **said: object) -> Sequence[ReaderMail]:
        """Fill in the box and let it be answered; the mails that this brought."""
        before = len(self.mails)
        self.answer(self.fill_in(**said))
        return self.mails[before:]

    def token(self, kind: NoticeKind, link: str) -> str:
        """The token of a link in the latest mail of a kind."""
        mail = [one for one in self.mails if one.kind is kind][-1]
        return mail.links[link].rsplit("/", 1)[1]

    def confirm(self, token: str = "", *, kind: NoticeKind = NoticeKind.CONFIRM) -> confirm.Confirmation | None:
        return confirm.confirm(
            self.store,
            self.links,
            token=token or self.token(kind, "confirm"),
            post=self.post,
            limits=self.limits,
            address="192.0.2.78",
            now=self.now,
        )

    def subscribed(self, **said: object) -> Subscription:
        """Sign up and confirm."""
        self.sign_up(**said)
        assert self.confirm() is not None
        found = self.has(str(said.get("email", BOX.email)))
        assert found is not None
        assert found.state is SubscriptionState.ACTIVE
        return found

    def has(self, email: str = BOX.email, publication: str = "morning") -> Subscription | None:
        with self.store.read() as tx:
            reader = subscribers.by_norm(tx, email.lower())
            key = publications.get(tx, publication).id
            return reader and subscriptions.get(tx, reader.id, publication_id=key)


def open_desk(store: Store) -> Desk:
    """A daily publication with two topics and a weekly issue, and one beside it."""
    with store.write() as tx:
        made = make_publication(tx, topics=("city", "sport"))
        publications.put_cadence(tx, made.id, Cadence("weekly", CadenceRule.WEEKLY, time(8, 0)))
        make_publication(tx, "evening")
    return Desk(store)
