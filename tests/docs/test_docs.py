"""What the documents say must be so: commands, settings, links, limits."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator

from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture, to_fixture
from digest.compose.kinds import MailKind
from digest.compose.render import render
from digest.config.example import example
from digest.config.settings import documented
from digest.mime.message import Message, build
from digest.model import errors
from support.documents import (
    ROOT,
    anchors,
    blocks,
    documents,
    leaf,
    links,
    logged_events,
    mentioned_commands,
    parse,
    typed_commands,
    unknown_options,
)

DOCUMENTS = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()]
HAND_WRITTEN = [item for item in DOCUMENTS if not str(item.id).endswith("cli.md")]
# Words that stand for a value, such as ISSUE or SOURCE, where the real command wants a number.
_PLACEHOLDER = re.compile(r"^[A-Z_]+$")


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return tool("docs_cli")


def test_the_reference_of_the_data_contract_is_current(capsys: pytest.CaptureFixture[str]):
    assert tool("docs_contract").main(["--check"]) == 0, capsys.readouterr().err


def test_every_fixture_written_out_fits_the_published_schema():
    schema = json.loads((ROOT / "docs/templates/digest-context.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)

    for kind in MailKind:
        for name in fixture_names(kind):
            written = json.loads(json.dumps(to_fixture(load_fixture(name, kind=kind))))
            assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(written)] == [], (kind, name)
    assert not check.is_valid({"kind": "digest", "lang": "en"})


@pytest.mark.parametrize("path", HAND_WRITTEN)
def test_every_command_line_in_a_document_is_one_the_program_takes(path: Path):
    for words in typed_commands(path.read_text(encoding="utf-8")):
        parse(["1" if _PLACEHOLDER.match(word) else word for word in words])


@pytest.mark.parametrize("path", HAND_WRITTEN)
def test_every_command_mentioned_in_prose_exists_with_its_options(path: Path):
    for words in mentioned_commands(path.read_text(encoding="utf-8")):
        if words[0] not in {"COMMAND", "--config", "--version"}:
            assert unknown_options(words) == [], " ".join(words)


def test_a_command_that_does_not_exist_is_noticed():
    with pytest.raises(LookupError):
        parse(["brew", "coffee"])
    with pytest.raises(LookupError):
        unknown_options(["issue", "brew", "7"])


def test_an_option_that_does_not_exist_is_noticed():
    assert unknown_options(["run", "morning", "--hard"]) == ["--hard"]


def test_command_lines_are_found_in_scripts_units_and_cron_lines():
    text = "```sh\ncd x && digest run morning \\\n  --dry-run > log\n*/5 * * * * /opt/bin/digest tick\n```\n"

    assert list(typed_commands(text)) == [["run", "morning", "--dry-run"], ["tick"]]


def test_the_generated_pages_are_current(generator: ModuleType):
    stale = [path.name for path, text in generator.pages().items() if path.read_text(encoding="utf-8") != text]

    assert stale == [], "run `make docs`"


def test_every_command_is_on_the_page_of_commands(generator: ModuleType):
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    known = dict(generator.commands())

    assert len(known) > 30
    for name, command in known.items():
        assert f"\n## {name}\n" in page
        assert command.help, f"{name} has no help"
        assert leaf(name.split()[1:])[0].name == command.name


def test_every_option_and_required_argument_says_what_it_is(generator: ModuleType):
    silent = [
        f"{name} {item.opts[-1]}"
        for name, command in generator.commands()
        for item in command.params
        if not item.help and (item.required or item.param_type_name == "option")
    ]

    assert silent == []


def test_every_setting_is_on_the_page_of_settings():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")

    for key, description, _default in documented():
        assert f"`{key}`" in page
        assert description, f"{key} has no description"


def test_the_example_configuration_is_current_and_each_line_of_it_can_be_switched_on():
    text = (ROOT / "digest.example.toml").read_text(encoding="utf-8")
    switched_on = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    tables = tomllib.loads(switched_on)

    assert text == example()
    assert tables["relays"]["default"]["port"] == 1025


@pytest.mark.parametrize("path", DOCUMENTS)
def test_settings_that_a_document_names_exist(path: Path):
    keys = {key for key, _, _ in documented()}
    sections = {key.partition(".")[0] for key in keys}
    named = set(re.findall(r"`((?:\w+\.){1,2}\w+)(?: = [^`]*)?`", path.read_text(encoding="utf-8")))
    variables = set(re.findall(r"\bDIGEST_(\w+__\w+)", path.read_text(encoding="utf-8"))) - {"SECTION__KEY"}
    modules = {item.stem for item in (ROOT / "src" / "digest").rglob("*.py")}

    for name in named - logged_events():
        first, _, rest = name.partition(".")
        if first in sections and rest.partition(".")[0] not in modules and rest not in {"py", "md"}:
            assert name in keys or f"{name}".replace("relays.", "relays.default.") in keys, name
    for name in variables:
        assert name.lower().replace("__", ".") in keys


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_relative_link_leads_somewhere(path: Path):
    for target in links(path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), f"{path.name} links to {target}"


def test_every_document_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        targets = (link.partition("#")[0] for link in links(path.read_text(encoding="utf-8")) if "://" not in link)
        waiting += [(path.parent / target).resolve() for target in targets if target]

    ours = {path for path in documents() if "examples" not in path.parts}

    assert ours - reached == set()


def test_the_architecture_fits_on_a_few_screens():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 150


def test_the_architecture_names_every_room_and_no_file_that_is_gone():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path.parent for path in (ROOT / "src" / "digest").glob("*/__init__.py")]
    files = re.findall(r"`((?:\w+/)+\w+\.py)`", text)

    assert [room.name for room in rooms if f"`{room.name}`" not in text] == []
    assert len(files) > 10
    assert [name for name in files if not _exists(name)] == []


def _exists(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / "src" / "digest" / name).exists()


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=lambda path: path.name)
def test_a_decision_has_its_parts_and_is_short(path: Path):
    text = path.read_text(encoding="utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Evidence"]
    assert len(text.splitlines()) <= 60
    assert text.startswith(f"# {path.name[:4]}: ")


def test_the_page_of_the_mail_names_every_header_a_mail_has():
    page = (ROOT / "docs" / "reference" / "mail.md").read_text(encoding="utf-8")
    mail = message_from_bytes(
        build(
            Message(
                sender_name="The Morning",
                sender_email="news@example.com",
                reply_to="desk@example.com",
                to_email="reader@example.org",
                subject="A headline",
                date=datetime(2026, 11, 22, 7, tzinfo=UTC),
                message_id="<abc@example.com>",
                list_id_name="The Morning",
                list_id="morning.example.com",
                unsubscribe_url="https://news.example.com/u/token",
                unsubscribe_mailto="mailto:news+unsubscribe-token@example.com",
                feedback_id="1:morning:daily:example",
                language="en",
                text="Text.\n",
                html="<p>Text.</p>\n",
                archive_url="https://news.example.com/morning/1",
            )
        )
    )
    names = set(mail) | {name for part in mail.walk() for name in part}

    assert len(names) > 12
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_the_page_of_errors_names_every_code_with_its_exit_code():
    page = (ROOT / "docs" / "reference" / "exit-codes-and-json.md").read_text(encoding="utf-8")
    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.DigestError)
    ]

    assert len(classes) > 10
    assert [item.code for item in classes if f"| `{item.code}` | {item.exit_code} |" not in page] == []


def test_the_json_examples_are_json():
    page = (ROOT / "docs" / "reference" / "exit-codes-and-json.md").read_text(encoding="utf-8")
    shown = [block.text for block in blocks(page) if block.language == "json"]

    assert len(shown) == 2
    assert [bool(json.loads(text)) for text in shown] == [True, True]


def test_no_document_or_source_names_this_machines_folders_or_a_registry():
    # Put together here, so that this file does not find itself.
    forbidden = re.compile("|".join(["/wo" + "rk/(?:main|shared)", "/ro" + "ot/", "pypi" + r"\.org", "regis" + "try="]))
    guilty = [
        str(path.relative_to(ROOT))
        for path in _ours()
        if forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert guilty == []


def _ours() -> list[Path]:
    folders = ("src", "tests", "docs", "templates", "alembic", "examples", "tools", "requirements", ".ci")
    text = {".py", ".md", ".toml", ".html", ".txt", ".css", ".js", ".json", ".sh", ".lock", ".yml", ".mako", ""}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    return [path for path in files if path.suffix in text and "__pycache__" not in path.parts and path.name != ".git"]


def test_the_picture_of_the_readme_is_ours_and_small():
    picture = ROOT / "docs" / "images" / "digest.png"

    assert "docs/images/digest.png" in links((ROOT / "README.md").read_text(encoding="utf-8"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size <= 250 * 1024


def test_the_readme_shows_nothing_from_another_host():
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"!\[[^\]]*\]\(https?:", text) == []
    assert "<img" not in text


def test_the_licence_is_the_whole_text():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text
    assert "APPENDIX: How to apply the Apache License to your work." in text


def test_what_the_page_about_the_look_tells_to_write_works(tmp_path: Path):
    page = (ROOT / "docs/how-to/change-the-look.md").read_text(encoding="utf-8")
    fenced = re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
    theme, catalogue, own, use, fixture = (
        next(text for language, text in fenced if sign in text)
        for sign in ("[light]", "Aufmacher", "macro weather", "own.weather", '"extends"')
    )
    email = tmp_path / "email"
    body = (ROOT / "templates/email/digest/body.html").read_text(encoding="utf-8")
    for path, text in {
        email / "theme.toml": theme,
        tmp_path / "locale" / "de.po": catalogue,
        email / "own.html": own,
        email / "digest" / "body.html": body.replace("{% block content %}", "{% block content %}" + use),
        email / "fixtures" / "longer.json": fixture,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    context = load_fixture("longer", search_path=[tmp_path], patch={"lang": "de"})
    html = render(context, env=templates([tmp_path])).html

    for shown in ("#0b5d4e", "Charter", "logo.png", "read by a person", "Aufmacher", "Rain at first", "much longer"):
        assert shown in html, shown
    assert html.count("<img") == 2
