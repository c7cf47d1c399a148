"""What the workshop's page shows of a state: the model behind its templates, worked out only as far as it is asked for.

Rules: reads from the desk; nothing here changes anything. A page is made for one request and thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from digest.compose.fixtures import to_fixture
from digest.compose.kinds import MailKind
from digest.compose.themes import theme_notes
from digest.model.errors import BadInput, DigestError
from digest.text.wording import wrap
from digest.web.preview.comparison import Comparison, compared
from digest.workshop import anatomy, saving
from digest.workshop.browser import has_axe
from digest.workshop.clients import Badge, Client, badge
from digest.workshop.desk import Desk, Drawn, Fault, Mark
from digest.workshop.findings import Finding, Severity
from digest.workshop.mail import Mail
from digest.workshop.states import HEAD, Choices, Pane, Place, Scheme, State, View

if TYPE_CHECKING:
    from digest.workshop.listing import Listing
    from digest.workshop.live import Offer

#: The keys of the page, as its help tells them; the script `keys.js` does what they say.
KEYS = (
    ("1 2 3", "desktop, phone, both"),
    ("d", "light, dark, forced, both"),
    ("c", "next mail client"),
    ("f", "choose the data"),
    ("[ ]", "fixture before, after"),
    ("j k", "next mail, the one before"),
    ("i", "inspect: click an element"),
    ("e", "open its line in the editor"),
    ("l", "checks"),
    ("n p", "next finding, the one before"),
    ("u", "source"),
    ("t", "text part"),
    ("h", "headers and parts"),
    ("m", "matrix of all fixtures"),
    ("v", "compare"),
    ("r", "read: the mail alone"),
    ("s", "save the data as a fixture"),
    ("Shift+S", "send a test mail"),
    ("y", "copy the link"),
    (".", "hide everything else"),
    ("/ ⌘K", "go anywhere"),
    ("?", "these keys"),
    ("Esc", "one step back"),
)
_PANES = (
    (Pane.CHECKS, "Checks", "l"),
    (Pane.SOURCE, "Source", "u"),
    (Pane.TEXT, "Text", "t"),
    (Pane.HEADERS, "Headers", "h"),
    (Pane.DATA, "Data", "s"),
    (Pane.SEND, "Send", "S"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an action says of how it ended. ``command`` is to be pasted into a terminal."""

    text: str
    is_good: bool = True
    command: str = ""

    @property
    def tone(self) -> str:
        """The style it is said in."""
        return "good" if self.is_good else "bad"


@dataclass(frozen=True, slots=True)
class Row:
    """A fixture in the matrix."""

    fixture: str
    mark: Mark
    fault: Fault | None
    has_mail: bool


@dataclass
class Page:
    """One state for its templates. ``token`` guards the forms."""

    desk: Desk
    state: State
    notes: Sequence[str]
    token: str
    told: Sequence[Told] = ()
    extra: Sequence[Finding] = ()
    keys: tuple[tuple[str, str], ...] = field(default=KEYS)
    panes: tuple[tuple[Pane, str, str], ...] = field(default=_PANES)
    schemes: tuple[Scheme, ...] = field(default=tuple(Scheme))

    @cached_property
    def choices(self) -> Choices:
        """What there is to choose from."""
        return self.desk.choices()

    @cached_property
    def drawn(self) -> Drawn:
        """The state as it was drawn."""
        return self.desk.draw(self.state)

    @property
    def mail(self) -> Mail | None:
        """The last good mail, if there was one."""
        return self.drawn.mail

    @property
    def fault(self) -> Fault | None:
        """What is wrong now."""
        return self.drawn.fault

    @property
    def generation(self) -> int:
        """The state of the files it was drawn from."""
        return self.drawn.generation

    @property
    def took_ms(self) -> float:
        """How long drawing took, in milliseconds."""
        return self.drawn.took_ms

    @property
    def theme(self) -> str:
        """The look it was drawn in."""
        return self.drawn.theme

    @property
    def nothing(self) -> str:
        """Why there is no mail."""
        return self.drawn.nothing or "Nothing was drawn yet."

    @property
    def remarks(self) -> list[str]:
        """What was not understood, and which colours are shown in another shade so that they can be read."""
        if self.fault:
            return list(self.notes)
        return [*self.notes, *(one.says for one in theme_notes(self.desk.environment(self.theme)))]

    @property
    def title(self) -> str:
        """What the browser's tab says."""
        if self.fault:
            return f"✕ {self.fault.place}"
        return self.mail.rendered.subject if self.mail else self.state.kind

    @cached_property
    def aloud(self) -> str:
        """What a screen reader hears after a change."""
        if self.fault:
            return f"Error in {self.fault.place}: {self.fault.message}"
        tally = self.tally
        return f"{self.state.kind}, {self.drawn.label}: {tally.breaks} breaks, {tally.degrades} degrades"

    # What there is to choose from

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Every other control, for forms that change one."""
        return [("kind", self.state.kind), *parse_qsl(self.state.address().partition("?")[2])]

    @property
    def kind_options(self) -> list[tuple[str, str]]:
        """Every kind of mail."""
        return [(kind, kind) for kind in self.choices.kinds]

    @property
    def fixtures(self) -> tuple[str, ...]:
        """The fixtures of this kind."""
        return self.choices.fixtures[self.state.kind]

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """The project's own news and past issues."""
        if self.desk.container is None:
            return ()
        from digest.workshop import live  # noqa: PLC0415 - see `workshop.sources`

        return live.offers(self.desk.container)

    @property
    def source_options(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Every source of data, by group."""
        fixtures = [(name, f"{name} ({at}/{len(self.fixtures)})") for at, name in enumerate(self.fixtures, start=1)]
        known = [(offer.source, offer.label) for offer in self.offers]
        if self.state.source not in {value for value, _ in (*fixtures, *known)}:
            known.append((self.state.source, self.drawn.label or self.state.source))
        return [("Fixtures", fixtures), *([("From this project", known)] if known else [])]

    @property
    def client_options(self) -> list[tuple[str, str]]:
        """Every mail client, by name."""
        return [(name, badge(Client(name)).name) for name in self.choices.clients]

    @property
    def badge(self) -> Badge:
        """How near the simulation of the client comes."""
        return badge(Client(self.state.client))

    @property
    def client_label(self) -> str:
        """The client and how near its simulation comes."""
        return f"{self.badge.name} ({self.badge.fidelity})"

    @property
    def other_options(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What to compare with: the last commit, another theme, scheme or client, another fixture."""
        state = self.state
        options = [
            ("", [(HEAD, "last commit (git HEAD)")]),
            ("Theme", [(state.changed(theme=name).other, name) for name in self.choices.themes if name != self.theme]),
            ("Colours", [(state.changed(scheme=one).other, one.value) for one in Scheme if one != state.scheme]),
            (
                "Client",
                [
                    (state.changed(client=name).other, text)
                    for name, text in self.client_options
                    if name != state.client
                ],
            ),
            ("Data", [(state.changed(source=name).other, name) for name in self.fixtures if name != state.source]),
        ]
        if state.vs and not any(state.vs == value for _, group in options for value, _ in group):
            options.append(("Another state", [(state.vs, state.vs)]))
        return options

    @property
    def previous(self) -> State:
        """The fixture before."""
        return self._beside(-1)

    @property
    def next(self) -> State:
        """The fixture after."""
        return self._beside(1)

    def _beside(self, step: int) -> State:
        names = self.fixtures
        at = names.index(self.state.source) if self.state.source in names else -max(step, 0)
        return self.state.changed(source=names[(at + step) % len(names)], patch="")

    def of_kind(self, kind: str) -> State:
        """The same look at a mail of another kind."""
        known = self.choices.fixtures[kind]
        source = self.state.source if self.state.source in known else known[0]
        return self.state.changed(kind=kind, source=source, patch="", at=None)

    @property
    def to_matrix(self) -> State:
        """All fixtures, or back from there."""
        is_matrix = self.state.view == View.MATRIX
        return self.state.changed(view=View.STAGE if is_matrix else View.MATRIX)

    @property
    def to_compare(self) -> State:
        """Comparing, or back from there."""
        if self.state.view == View.COMPARE:
            return self.state.changed(view=View.STAGE)
        return self.state.changed(view=View.COMPARE, vs=self.state.vs or HEAD)

    @cached_property
    def marks(self) -> Mapping[tuple[str, str], Mark]:
        """How the mails stand that were looked at."""
        return self.desk.marks()

    # The stage

    @property
    def sender(self) -> str:
        """Whom an inbox says it is from."""
        return self.mail.context.publication.sender_name if self.mail else ""

    @property
    def preheader(self) -> str:
        """What an inbox shows behind the subject."""
        return self.mail.context.preheader if self.mail else ""

    def text_at(self, columns: int) -> str:
        """The text part as a reader with so many columns sees it."""
        text = self.mail.rendered.text if self.mail else ""
        return text if columns >= 72 else "\n".join(wrap(line, columns) if line else "" for line in text.splitlines())

    @property
    def text_lines(self) -> int:
        """How long the text part is."""
        return len(self.mail.rendered.text.splitlines()) if self.mail else 0

    @cached_property
    def matrix(self) -> list[Row]:
        """Every fixture of the kind, worst first."""
        rows = []
        for name in self.fixtures:
            drawn = self.desk.draw(self.state.changed(source=name, patch=""))
            rows.append(Row(name, self.desk.mark(drawn), drawn.fault, drawn.mail is not None))
        return sorted(rows, key=lambda row: row.mark.weight, reverse=True)

    @cached_property
    def comparison(self) -> Comparison:
        """The state beside what it is compared with."""
        return compared(self.desk, self.state, self.drawn)

    # The inspector

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What was asked for, then what the checks say."""
        return (*self.extra, *self.desk.findings(self.drawn))

    @cached_property
    def tally(self) -> Mark:
        """How many findings of each weight."""
        return self.desk.mark(self.drawn)

    @property
    def groups(self) -> list[tuple[str, list[Finding]]]:
        """The findings by what they are about, the group with the worst first."""
        found: dict[str, list[Finding]] = {}
        for one in self.findings:
            found.setdefault(one.group.value, []).append(one)
        return list(found.items())

    def tone(self, finding: Finding) -> str:
        """How a finding is coloured."""
        if finding.ignored_because:
            return "quiet"
        return {Severity.BREAKS: "bad", Severity.DEGRADES: "warn", Severity.NOTE: "quiet"}[finding.severity]

    def to_finding(self, finding: Finding) -> State:
        """The state that shows where a finding comes from."""
        at = Place(finding.template, finding.line or 1) if finding.template else None
        return self.state.changed(at=at, pane=Pane.SOURCE if at else self.state.pane)

    @cached_property
    def size(self) -> anatomy.Size:
        """How large it is."""
        assert self.mail is not None  # noqa: S101 - its templates ask only then
        return anatomy.size(self.mail)

    @property
    def parts(self) -> tuple[anatomy.Part, ...]:
        """The tree of its parts."""
        return anatomy.parts(self.mail) if self.mail else ()

    @property
    def headers(self) -> str:
        """Its header as it is sent."""
        return anatomy.header(self.mail) if self.mail else ""

    @property
    def eml(self) -> str:
        """The address of the whole mail as a file."""
        state = State(
            self.state.kind, self.state.source, theme=self.theme, locale=self.state.locale, patch=self.state.patch
        )
        return state.address("/mail/")

    @cached_property
    def listing(self) -> Listing | None:
        """The source to show, None for a template there is not."""
        from digest.workshop.listing import html_listing, template_listing  # noqa: PLC0415 - see there

        at = self.state.at
        if at is None:
            return html_listing(self.mail) if self.mail else None
        source = self.desk.source(at.template, self.theme)
        return template_listing(at.template, source, at.line) if source is not None else None

    @property
    def template_names(self) -> Sequence[str]:
        """The templates whose source can be looked at."""
        loader = self.desk.environment(self.theme).loader
        names = loader.list_templates() if loader else []
        return [
            name
            for name in names
            if name.startswith("email/")
            and not name.startswith(("email/fixtures/", "email/snapshots/", "email/themes/"))
        ]

    @property
    def data_json(self) -> str:
        """The data as a fixture would hold them."""
        if self.mail is None:
            return ""
        return json.dumps(to_fixture(self.mail.context), ensure_ascii=False, indent=2)

    @property
    def patch_pretty(self) -> str:
        """The patch, for reading."""
        return json.dumps(json.loads(self.state.patch), ensure_ascii=False, indent=2) if self.state.patch else ""

    @property
    def fixture_folder(self) -> str:
        """Where a saved fixture would lie."""
        try:
            folder = saving.folder_of(MailKind(self.state.kind), self.desk.search_path)
        except BadInput as error:
            return error.message
        return _near(folder)

    @property
    def send_to(self) -> tuple[str, ...]:
        """Where test mails may go."""
        return self.desk.container.settings.preview.send_to if self.desk.container else ()

    @property
    def cannot_send(self) -> str:
        """Why none can be sent."""
        if self.desk.container is None:
            return "There is no project here, so there is no relay to send by."
        return "Say first where test mails may go:"

    @property
    def has_axe(self) -> bool:
        """Whether there are a browser and axe on this machine."""
        return has_axe()

    @property
    def has_spam(self) -> bool:
        """Whether a spam filter is set."""
        return bool(self.desk.container and self.desk.container.settings.preview.spam_url)


def _near(path: Path) -> str:
    """A path as short as it can be said here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def explained(error: DigestError) -> Told:
    """An error as what an action says."""
    return Told(f"{error.message}{f'; {error.hint}' if error.hint else ''}.", is_good=False)
