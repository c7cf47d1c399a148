"""The journal: after a death only what lay between the first byte and the reply is in doubt."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from digest.deliver.journal import Journal, recover
from digest.deliver.mounts import filesystem_of
from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.mailbox import Hindrance
from digest.store import bounces, deliveries, standing, suppressions
from digest.store.engine import Store
from support.sending import NOW, sending_issue

LEASE = "lease-of-the-dead"
S = DeliveryState


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def die(journal: Journal) -> None:
    """What the kernel does to a killed process: the file stays, the lock goes."""
    os.close(journal._handle)


def being_sent(store: Store, readers: int = 4) -> int:
    """An issue whose deliveries are all marked as being sent under one lease; the last one is only leased."""
    issue = sending_issue(store, readers)
    with store.write() as tx:
        deliveries.claim(tx, issue.id, chunk=0, lease=LEASE, lease_for=timedelta(hours=1), limit=readers, now=tx.now())
        deliveries.mark(
            tx,
            issue.id,
            lease=LEASE,
            subscriber_ids=list(range(1, readers)),
            now=tx.now(),
        )
    return issue.id


def counts(store: Store, issue_id: int) -> dict[str, int]:
    with store.read() as tx:
        return {state.value: number for state, number in standing.tally(tx, issue_id).counts.items() if number}


def written(folder: Path, issue_id: int) -> Journal:
    """Reader 1 was answered, reader 2 had begun, reader 3 was marked and never begun, reader 4 only leased."""
    journal = Journal(folder)
    journal.begin(LEASE, issue_id)
    for reader in (1, 2):
        journal.sending(LEASE, reader)
    journal.answered(LEASE, Outcome(1, S.SENT, NOW, relay="default", reply_code=250, reply_text="taken"))
    journal.flush()
    return journal


def test_a_dead_process_leaves_in_doubt_only_what_had_begun_and_was_not_answered(store: Store, folder: Path):
    issue = being_sent(store)
    die(written(folder, issue))

    assert recover(store, folder) == {"settled": 1, "freed": 2, "doubted": 1}

    assert counts(store, issue) == {"sent": 1, "unknown": 1, "pending": 2}
    with store.read() as tx:
        assert standing.in_doubt(tx, issue) == [(2, "reader2@example.com")]
        assert standing.unexplained(tx, issue) == 0
    assert list(folder.iterdir()) == []
    assert recover(store, folder) == {"settled": 0, "freed": 0, "doubted": 0}


def test_an_attempt_that_never_began_is_not_counted(store: Store, folder: Path):
    issue = being_sent(store)
    die(written(folder, issue))
    recover(store, folder)
    with store.write() as tx:
        claimed = deliveries.claim(tx, issue, chunk=0, lease="new", lease_for=timedelta(hours=1), limit=9, now=tx.now())

    assert [(one.subscriber_id, one.attempt) for one in claimed] == [(3, 0), (4, 0)]


def test_a_living_process_is_left_alone(store: Store, folder: Path):
    issue = being_sent(store)
    journal = written(folder, issue)

    assert recover(store, folder) == {"settled": 0, "freed": 0, "doubted": 0}
    assert counts(store, issue) == {"leased": 1, "sending": 3}
    die(journal)


def test_a_line_torn_by_the_death_is_not_believed(store: Store, folder: Path):
    issue = being_sent(store)
    journal = written(folder, issue)
    os.write(journal._handle, f'R {LEASE} 2 {{"subscriber_id": 2, "state": "sent"'.encode())
    die(journal)

    assert recover(store, folder) == {"settled": 1, "freed": 2, "doubted": 1}


def changed_head(folder: Path, **values: str) -> None:
    path = next(folder.iterdir())
    first, _, rest = path.read_text().partition("\n")
    head = {**json.loads(first.removeprefix("H ")), **values}
    path.write_text(f"H {json.dumps(head)}\n{rest}")


def test_after_a_power_cut_a_missing_line_proves_nothing_but_a_reply_still_counts(store: Store, folder: Path):
    issue = being_sent(store)
    die(written(folder, issue))
    changed_head(folder, boot="another start of this machine")

    assert recover(store, folder) == {"settled": 1, "freed": 1, "doubted": 2}
    assert counts(store, issue) == {"sent": 1, "unknown": 2, "pending": 1}


def mounted(folder: Path, kind: str) -> Path:
    """A table of mounts in which ``folder`` is on a filesystem of that type."""
    point = str(folder.resolve()).replace(" ", r"\040")
    table = folder.parent / "mountinfo"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:42 / {point} rw shared:7 - {kind} there:/x rw\n")
    return table


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_on_a_network_filesystem_the_journal_of_another_machine_is_left_alone(store: Store, folder: Path, kind: str):
    issue = being_sent(store)
    die(written(folder, issue))
    changed_head(folder, host="elsewhere.example.com")

    assert recover(store, folder, mountinfo=mounted(folder, kind)) == {"settled": 0, "freed": 0, "doubted": 0}
    assert counts(store, issue) == {"leased": 1, "sending": 3}


@pytest.mark.parametrize("kind", ["ext4", "overlay", "fuse.fuse-overlayfs"])
def test_a_container_made_anew_under_another_name_reads_its_old_journal(store: Store, folder: Path, kind: str):
    issue = being_sent(store)
    die(written(folder, issue))
    changed_head(folder, host="0123456789ab")

    assert recover(store, folder, mountinfo=mounted(folder, kind)) == {"settled": 1, "freed": 2, "doubted": 1}
    assert list(folder.iterdir()) == []


def test_a_living_process_under_another_name_is_left_alone(store: Store, folder: Path):
    issue = being_sent(store)
    journal = written(folder, issue)
    changed_head(folder, host="0123456789ab")

    assert recover(store, folder, mountinfo=mounted(folder, "ext4")) == {"settled": 0, "freed": 0, "doubted": 0}
    assert counts(store, issue) == {"leased": 1, "sending": 3}
    die(journal)


def test_a_journal_that_is_just_being_made_is_not_taken_from_its_owner(store: Store, folder: Path):
    folder.mkdir()
    (folder / "1-00.journal").touch()
    recover(store, folder)

    assert len(list(folder.iterdir())) == 1


def test_where_no_table_of_mounts_tells_the_filesystem_the_host_must_match(store: Store, folder: Path):
    issue = being_sent(store)
    die(written(folder, issue))
    changed_head(folder, host="elsewhere.example.com")

    assert recover(store, folder, mountinfo=folder / "none") == {"settled": 0, "freed": 0, "doubted": 0}


def test_the_filesystem_of_a_folder_is_that_of_the_innermost_mount(tmp_path: Path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 0:9 / /srv rw - nfs4 there:/ rw\n"
        "3 2 8:2 / /srv/with\\040space rw master:1 propagate_from:2 - xfs /dev/sdb1 rw\n"
        "4 1 0:9 / /srv rw - btrfs /dev/sdc rw\n"
    )

    assert filesystem_of(Path("/srv/with space/journal"), table) == "xfs"
    assert filesystem_of(Path("/srv/journal"), table) == "btrfs", "the later mount lies on top"
    assert filesystem_of(Path("/srvx"), table) == "ext4"
    assert filesystem_of(tmp_path) is not None, "the table of this machine names one"


def test_a_delivery_already_swept_into_doubt_is_freed_when_it_had_not_begun(store: Store, folder: Path):
    issue = being_sent(store)
    die(written(folder, issue))
    with store.write() as tx:
        deliveries.sweep(tx, issue, on_doubt="hold", now=tx.now() + timedelta(hours=2))
    assert counts(store, issue) == {"pending": 1, "unknown": 3}

    recover(store, folder)

    assert counts(store, issue) == {"sent": 1, "unknown": 1, "pending": 2}


def test_an_orderly_end_leaves_no_file_and_a_settled_lease_no_lines(folder: Path):
    with Journal(folder) as journal:
        journal.begin(LEASE, 1)
        journal.sending(LEASE, 1)
        journal.end(LEASE)
        assert len(next(folder.iterdir()).read_text().splitlines()) == 1

    assert list(folder.iterdir()) == []


def test_what_a_reply_meant_for_the_address_survives_the_death_of_its_reader(store: Store, folder: Path):
    issue = being_sent(store)
    journal = written(folder, issue)
    refused = Outcome(2, S.FAILED, NOW, reply_code=550, enhanced_code="5.1.1", reason=FailReason.REJECTED)
    journal.answered(LEASE, replace(refused, address_is_dead=True, email_hash="f" * 64))
    journal.sending(LEASE, 3)
    journal.answered(LEASE, replace(refused, subscriber_id=3, hindrance=Hindrance.MAILBOX_FULL, email_hash="e" * 64))
    journal.flush()
    die(journal)
    recover(store, folder)

    with store.read() as tx:
        assert [item.detail for item in suppressions.of_address(tx, "f" * 64, now=NOW)] == ["550 5.1.1"]
        assert [met.kind for met in bounces.of_subscriber(tx, 3)] == [Hindrance.MAILBOX_FULL]
