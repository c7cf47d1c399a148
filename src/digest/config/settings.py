"""All settings in one frozen, checked object.

Order: defaults < ``digest.toml`` < environment ``DIGEST_SECTION__KEY`` < files in a secrets folder.
An unknown key anywhere is an error. Relative paths are relative to the folder of the configuration file.
What an operator changes daily (publications, sources, readers) lives in the database, not here.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from yarl import URL

from digest.config.alerting import AlertSettings
from digest.config.collecting import CollectSettings, ImagesSettings
from digest.config.previewing import PreviewSettings
from digest.config.readers import SignUpSettings
from digest.config.section import Section
from digest.mime.address import parse_address
from digest.mime.dkim import Algorithm
from digest.model.delivery import OnDoubt
from digest.model.errors import BadInput, ConfigInvalid
from digest.model.image import ImageMode

CONFIG_NAME = "digest.toml"
_ENV_PREFIX = "DIGEST_"
_NOT_SETTINGS = {"DIGEST_CONFIG", "DIGEST_SECRETS_DIR", "DIGEST_TEST_PG"}


class TlsMode(StrEnum):
    """How a relay connection is secured (RFC 8314)."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class PipeliningMode(StrEnum):
    """Whether commands to a relay are written without waiting for each reply (RFC 2920)."""

    AUTO = "auto"
    OFF = "off"


class ChunkingMode(StrEnum):
    """Whether mails are sent as chunks, several on their way over a connection at a time (RFC 3030)."""

    AUTO = "auto"
    OFF = "off"


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: Annotated[str, Field(description="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")] = (
        "sqlite:///digest.db"
    )


class SiteSettings(Section):
    """What readers see of this installation."""

    base_url: Annotated[str, Field(description="public https address of `digest serve`, used in every link")] = (
        "http://127.0.0.1:8025"
    )
    secret_key_file: Annotated[Path, Field(description="keys that sign links, one per line, newest first")] = Path(
        "digest.key"
    )
    templates: Annotated[Path, Field(description="folder whose files override the built-in templates")] = Path(
        "templates"
    )
    privacy_url: Annotated[
        str | None, Field(pattern=r"^https?://\S+$", description="your privacy policy, linked where people sign up")
    ] = None
    proxies: Annotated[
        tuple[IPvAnyNetwork, ...],
        Field(description='reverse proxies whose X-Forwarded-For is believed, e.g. ["127.0.0.1", "10.0.0.0/8"]'),
    ] = ()

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("must be an http(s) address such as https://news.example.com")
        if not value.isascii():
            # A link in a header is ASCII (RFC 3986 §2): A-labels for the host, percent-encoding for the path.
            try:
                value = str(URL(value))
            except ValueError as error:
                raise ValueError(f"its host cannot be a domain ({error})") from error
        return value.rstrip("/")


class Preset(StrEnum):
    """Relays whose host and limits are known."""

    SES = "ses"
    POSTMARK = "postmark"
    MAILGUN = "mailgun"
    GMAIL = "gmail"
    POSTFIX = "postfix"


_SUBMISSION: dict[str, Any] = {"port": 587, "tls": "starttls"}
#: What each preset sets unless the key is given. Where the values come from: docs/how-to/several-relays.md.
PRESETS: dict[Preset, dict[str, Any]] = {
    Preset.SES: _SUBMISSION | {"host": "email-smtp.us-east-1.amazonaws.com", "rate": 14.0, "connections": 4},
    Preset.POSTMARK: _SUBMISSION | {"host": "smtp-broadcasts.postmarkapp.com", "connections": 10},
    Preset.MAILGUN: _SUBMISSION | {"host": "smtp.mailgun.org", "connections": 5, "max_messages_per_connection": 100},
    Preset.GMAIL: _SUBMISSION
    | {"host": "smtp.gmail.com", "rate": 1.0, "connections": 1, "max_messages_per_connection": 50},
    Preset.POSTFIX: {"host": "127.0.0.1", "port": 25, "tls": "none", "connections": 10},
}


class WarmUpSettings(Section):
    """How a relay with a new address gets used to: by a ceiling for the day that grows."""

    first_day: Annotated[date, Field(alias="from", description="first UTC day it may send; not used before")]
    start: Annotated[int, Field(ge=1, description="messages on the first day")] = 200
    factor: Annotated[float, Field(gt=1, le=3, description="each day so many times the day before")] = 1.5
    until: Annotated[int, Field(ge=1, description="over when a day would be more than this")] = 50_000

    @model_validator(mode="after")
    def _grows(self) -> WarmUpSettings:
        if self.until < self.start:
            raise ValueError("until must not be less than start")
        return self


class RelaySettings(Section):
    """One SMTP server that mail is handed to."""

    host: Annotated[str, Field(description="name or address of the SMTP server")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="587 for STARTTLS, 465 for implicit TLS")] = 1025
    tls: Annotated[TlsMode, Field(description="starttls, implicit or none")] = TlsMode.NONE
    username: Annotated[str | None, Field(description="login name; none means no login")] = None
    password_file: Annotated[Path | None, Field(description="file that holds the password")] = None
    ca_file: Annotated[Path | None, Field(description="own certificate authority to trust, PEM")] = None
    preset: Annotated[
        Preset | None, Field(description="ses, postmark, mailgun, gmail or postfix: other defaults for this relay")
    ] = None
    priority: Annotated[int, Field(ge=0, description="lower goes first, the others wait in case it fails")] = 10
    rate: Annotated[float | None, Field(ge=0.01, le=100_000, description="messages a second; none: no limit")] = None
    daily_quota: Annotated[int | None, Field(ge=1, description="messages a UTC day; none: no limit")] = None
    warm_up: Annotated[
        WarmUpSettings | None,
        Field(description="{from = 2026-11-25, start = 200, factor = 1.5}: a ceiling that grows daily"),
    ] = None
    connections: Annotated[int, Field(ge=1, le=100, description="connections at once")] = 4
    max_messages_per_connection: Annotated[int, Field(ge=1, description="then it is reopened")] = 1000
    timeout_s: Annotated[
        float | None,
        Field(ge=1, description="longest wait for any reply; none: as RFC 5321 asks, ten minutes for the final dot"),
    ] = None
    pipelining: Annotated[
        PipeliningMode, Field(description="auto: one round trip a mail where the relay offers it; off: never")
    ] = PipeliningMode.AUTO
    chunking: Annotated[
        ChunkingMode,
        Field(description="auto: eight mails on their way a connection where CHUNKING is offered; off: never"),
    ] = ChunkingMode.OFF

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        """A preset's values stand behind whatever is set."""
        if isinstance(given, dict) and given.get("preset") in set(Preset):
            return PRESETS[Preset(given["preset"])] | given
        return given


class DeliverySettings(Section):
    """How deliveries are tried."""

    on_doubt: Annotated[OnDoubt, Field(description="resend (once, after a pause) or hold for the operator")] = (
        OnDoubt.RESEND
    )
    doubt_pause_s: Annotated[
        int, Field(ge=1, description="seconds before a delivery in doubt is sent once more; a late reply settles it")
    ] = 900
    retry_first_s: Annotated[int, Field(ge=1, description="seconds before the first retry; doubles each time")] = 300
    expire_after_s: Annotated[int, Field(ge=60, description="an undelivered message is given up after this")] = 43200
    lease_s: Annotated[int, Field(ge=2, description="a worker silent for so many seconds loses its deliveries")] = 120
    journal: Annotated[
        Path, Field(description="folder of this machine's journal, which settles doubts after a crash")
    ] = Path("journal")
    fence_file: Annotated[
        Path, Field(description="what this machine has mailed, so that a restored database mails nothing again")
    ] = Path("digest.fence")
    return_path: Annotated[str | None, Field(description="envelope sender; default: the publication's sender")] = None
    unsubscribe_mailbox: Annotated[
        str | None, Field(description="mailbox for unsubscribe mails; default: the publication's sender")
    ] = None


class DkimSettings(Section):
    """A key that we sign mail with; without any, the relay must sign. A table for each key: `[[dkim]]`.

    It signs for publications whose sender's domain is the key's, above it or below it. The algorithm follows from the
    key and is said only to make sure.
    """

    domain: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", description="domain that signs: the sender's")
    ]
    selector: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", description="name of the key in the DNS of that domain"),
    ]
    key_file: Annotated[Path, Field(description="private key, PEM: RSA of 2048 bits or more, or Ed25519 beside one")]
    algorithm: Annotated[
        Algorithm | None, Field(description="rsa-sha256 or ed25519-sha256; default: what the key is for")
    ] = None

    @field_validator("domain", mode="before")
    @classmethod
    def _in_a_labels(cls, value: Any) -> Any:
        """The DNS, and so ``d=`` of a signature, has a domain as A-labels; people write it as they read it."""
        if not isinstance(value, str) or value.isascii():
            return value
        try:
            return parse_address(f"postmaster@{value}").wire.partition("@")[2]
        except BadInput as error:
            raise ValueError(f"{value!r} is not a domain") from error


class TrackingSettings(Section):
    """Off by default, for good reasons; turning it on arrives with a later version."""

    clicks: Annotated[bool, Field(description="count clicks")] = False
    opens: Annotated[bool, Field(description="count opens")] = False

    @field_validator("clicks", "opens")
    @classmethod
    def _not_yet(cls, value: bool) -> bool:  # noqa: FBT001 - pydantic calls validators by position
        if value:
            raise ValueError("tracking is not available in this version; leave it false")
        return value


class LoggingSettings(Section):
    """What is logged, and how. Addresses are never logged."""

    format: Annotated[str, Field(pattern="^(auto|json|console)$", description="auto, json or console")] = "auto"
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$", description="debug to error")] = "info"


class MetricsSettings(Section):
    """Who may read the numbers at `/metrics`: see docs/how-to/monitor.md."""

    token_file: Annotated[
        Path | None, Field(description="file with the bearer token that /metrics asks everybody for")
    ] = None


class Settings(BaseSettings):
    """Everything that can be set. ``base_dir`` is where relative paths start."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_ENV_PREFIX, env_nested_delimiter="__", secrets_dir=None
    )

    base_dir: Annotated[Path, Field(exclude=True)] = Path()
    database: DatabaseSettings = DatabaseSettings()
    site: SiteSettings = SiteSettings()
    relays: Annotated[dict[str, RelaySettings], Field(description="by name; one is called `default`")] = {
        "default": RelaySettings()
    }
    delivery: DeliverySettings = DeliverySettings()
    dkim: Annotated[tuple[DkimSettings, ...], Field(description="keys that sign; none: the relay signs")] = ()
    collect: CollectSettings = CollectSettings()
    images: ImagesSettings = ImagesSettings()
    tracking: TrackingSettings = TrackingSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    signup: SignUpSettings = SignUpSettings()
    alerts: AlertSettings = AlertSettings()
    preview: PreviewSettings = PreviewSettings()

    @field_validator("relays")
    @classmethod
    def _has_default(cls, value: dict[str, RelaySettings]) -> dict[str, RelaySettings]:
        if "default" not in value:
            raise ValueError("one relay must be called 'default'")
        return value

    @model_validator(mode="after")
    def _absolute_ca_file(self) -> Settings:
        """Whoever fetches has the section only, not the folder that its path starts at."""
        if self.collect.ca_file is not None:
            collect = self.collect.model_copy(update={"ca_file": self.path(self.collect.ca_file)})
            object.__setattr__(self, "collect", collect)  # the object is frozen for everybody else
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - we read no .env file: one place less to look
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Highest first."""
        toml = TomlConfigSettingsSource(settings_cls)
        # What the program itself passes (base_dir) is no setting and cannot be overruled.
        return (init_settings, file_secret_settings, env_settings, toml)

    def path(self, value: Path) -> Path:
        """A configured path, absolute."""
        return value if value.is_absolute() else (self.base_dir / value).absolute()

    @property
    def image_mode(self) -> ImageMode:
        """Where pictures come from: as set; else our own copies where mail clients can fetch them safely, by https."""
        is_https = self.site.base_url.startswith("https://")
        return self.images.mode or (ImageMode.OWN if is_https else ImageMode.REMOTE)

    @property
    def database_url(self) -> str:
        """The database address with a relative SQLite file made absolute."""
        url = self.database.url
        match = re.fullmatch(r"(sqlite(?:\+pysqlite)?:///)(?!file:)([^/:?][^?]*)(.*)", url)
        return f"{match[1]}{self.path(Path(match[2]))}{match[3]}" if match else url


# What sections with many members hold: tables by name, or tables in a row.
_ITEMS: dict[str, type[Section]] = {"relays": RelaySettings, "dkim": DkimSettings, "warm_up": WarmUpSettings}
LISTS = frozenset({"dkim"})


def find_config(explicit: Path | None = None) -> Path | None:
    """The configuration file: ``--config``, else ``DIGEST_CONFIG``, else ``digest.toml`` here, else none."""
    named = explicit or (Path(os.environ["DIGEST_CONFIG"]) if os.environ.get("DIGEST_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigInvalid(
                f"there is no configuration file at {named}", hint="check the path, or run `digest init` to make one"
            )
        return named
    here = Path(CONFIG_NAME)
    return here if here.is_file() else None


def load(config: Path | None = None) -> Settings:
    """Read and check every setting. Raises ConfigInvalid naming file, key and remedy."""
    file = find_config(config)
    _check_environment()
    _check_syntax(file)
    secrets = _secrets_folder()

    class _Loaded(Settings):
        model_config = SettingsConfigDict(
            frozen=True,
            extra="forbid",
            env_prefix=_ENV_PREFIX,
            env_nested_delimiter="__",
            toml_file=file,
            secrets_dir=secrets,
        )

    try:
        return _Loaded(base_dir=(file.parent if file else Path()).absolute())
    except ValidationError as error:
        raise ConfigInvalid(*_explain(error, file)) from error
    except ValueError as error:  # an environment value that should be JSON
        raise ConfigInvalid(str(error), hint="check the DIGEST_… environment variables") from error


def documented() -> list[tuple[str, str, Any]]:
    """Every setting as (dotted key, description, default), for the docs, the example file and their test."""
    rows: list[tuple[str, str, Any]] = []
    for section, field in Settings.model_fields.items():
        if section == "base_dir":
            continue
        model = _ITEMS.get(section, field.annotation)
        prefix = "relays.default" if section == "relays" else section
        assert isinstance(model, type)  # noqa: S101 - narrows the type: every section is a model class
        assert issubclass(model, Section)  # noqa: S101 - the same
        rows += [
            (f"{prefix}.{key}", item.description or "", None if item.is_required() else item.default)
            for key, item in model.model_fields.items()
        ]
    return rows


def _check_syntax(file: Path | None) -> None:
    if file is None:
        return
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"{file}: {error}", hint="correct the line; `digest init` writes a commented example"
        ) from error
    except OSError as error:
        raise ConfigInvalid(f"{file} cannot be read: {error.strerror}", hint="check its owner and mode") from error
    if "base_dir" in document:
        raise ConfigInvalid(f"{file}: unknown setting 'base_dir'", hint="relative paths start at this file's folder")


def _secrets_folder() -> Path | None:
    """The folder of secret files, if one is named. A missing one, or a file we would pass over, is an error."""
    named = os.environ.get("DIGEST_SECRETS_DIR")
    if not named:
        return None
    folder = Path(named)
    if not folder.is_dir():
        raise ConfigInvalid(f"DIGEST_SECRETS_DIR: there is no folder {folder}", hint="check the path, or unset it")
    for file in sorted(folder.iterdir()):
        prefix, _, key = file.name.lower().partition("_")
        section, nested, _ = key.partition("__")
        if nested and prefix == "digest" and section in _sections():
            raise ConfigInvalid(
                f"secret file {file.name}: a file holds a whole section",
                hint=f"name it digest_{section} and write the section as JSON into it",
            )
    return folder


def _sections() -> list[str]:
    return [name for name in Settings.model_fields if name != "base_dir"]


def _check_environment() -> None:
    """pydantic-settings ignores an environment name whose section it does not know; we do not.

    Names that look like none of ours are let be: Kubernetes, for one, sets DIGEST_PORT for a service "digest".
    """
    for name in os.environ:
        if not name.startswith(_ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        section, nested, _ = name.removeprefix(_ENV_PREFIX).lower().partition("__")
        if nested and section not in _sections():
            raise ConfigInvalid(
                f"environment variable {name}: there is no section {section!r}", hint=_nearest(section, Settings)
            )
        first = next((known for known in _sections() if section.startswith(f"{known}_")), None)
        if first and not nested:
            meant = f"{_ENV_PREFIX}{first}__{section.removeprefix(first)[1:]}".upper()
            raise ConfigInvalid(
                f"environment variable {name}: two underscores stand between section and key",
                hint=f"did you mean {meant}?",
            )


def _nearest(key: str, model: type[BaseModel]) -> str:
    known = [name for name in model.model_fields if name != "base_dir"]
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def _explain(error: ValidationError, file: Path | None) -> tuple[str]:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = f"{file} or environment" if file else "environment"
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = Settings
        for part in path[:-1]:
            field = model.model_fields.get(part)
            if field is not None:  # else the name or number of a member
                annotation = _ITEMS.get(part, field.annotation)
                assert isinstance(annotation, type)  # noqa: S101 - narrows the type: every section is a model class
                model = annotation
        raise ConfigInvalid(f"{where}: unknown setting {'.'.join(path)!r}", hint=_nearest(path[-1], model)) from error
    message = first["msg"].removeprefix("Value error, ")
    return (f"{where}: setting {'.'.join(path)!r}: {message}",)
