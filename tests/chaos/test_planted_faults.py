"""The harness can fail: for each oracle a fault is planted in the data, and it must be
reported, by its name.
"""

import itertools
import os
import re
import signal
import smtplib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.detector import accounts, restore
from services.detector.accounts import HeadRecord
from services.detector.checkpoint import CheckpointStore, RocksPartition
from services.detector.pages import head_key, packed, unpacked
from services.detector.source_log import SOURCE_KEY
from services.signals.actions import tokens
from services.signals.actions.actor import COMMAND_LINE
from services.signals.progress.caught_up import wait_until_caught_up
from services.signals.store import organizations, recipients, slots
from services.signals.store.positions import CONSUMER
from shared import clock, db, kafka
from shared.partitions import partition_of
from shared.settings import settings
from shared.topics import ORDERS, STATE_CHANGELOG
from tests.eventually import eventually
from tests.stack_fixtures import Mailbox
from winback.chaos import log, oracles, store
from winback.chaos.erp import Teller
from winback.chaos.history import History
from winback.chaos.machine import freeze, wake
from winback.chaos.stories import Batch
from winback.chaos.world import World


def test_a_system_that_keeps_its_promises_is_left_in_peace_also_when_records_come_again(
    told: History,
) -> None:
    partition = partition_of(told.organization)
    publisher = kafka.Publisher()
    for record in log.records(ORDERS.name, partition):
        if told.organization.encode() in (record.value or b"")[:400]:
            publisher.publish(
                ORDERS.name,
                record.value,
                key=record.key,
                partition=partition,
                headers=record.headers,
            )
    publisher.close()
    oracles.settle(told)
    assert oracles.settled(told).all == []
    assert len(told.orders) > 300


def test_an_acknowledged_order_that_never_reached_the_log_is_reported(told: History) -> None:
    kept = dict(told.orders)
    (order, revision), version = next(iter(kept.items()))
    told.orders["never-sent", revision] = version._replace(order="never-sent")
    # and one that is there with another content
    told.orders[order, revision] = version._replace(account="somebody else")
    lost = oracles.contained(told).lost
    assert [line.split(": ")[1].split(" ")[0] for line in lost] == [order, "never-sent"]


def test_an_order_dropped_from_the_read_model_is_reported(told: History) -> None:
    order = next(iter(told.orders.values()))
    with db.connect() as connection:
        connection.execute(
            "DELETE FROM orders WHERE organization = %s AND order_id = %s",
            (told.organization, order.order),
        )
    found = oracles.settled(told)
    assert found.lost == [f"H {told.organization}: {order.order} is not in the read model"]
    assert found.differing != []


def test_an_order_lost_to_a_frozen_worker_in_the_changelog_is_reported_though_signals_look_right(
    told: History,
) -> None:
    """The state on the detector's disk is whole; only what a new owner would
    restore lacks an order.
    """
    account, head = a_head_with_orders(told.organization)
    order = next(iter(head.open_page))
    del head.open_page[order]
    publisher = kafka.Publisher()
    publisher.publish(
        STATE_CHANGELOG,
        packed(head),
        key=head_key(told.organization, account),
        partition=partition_of(told.organization),
    )
    publisher.close()
    found = oracles.settled(told)
    assert found.lost == [f"H {told.organization}: {order} is not in the detector's state"]
    assert found.differing == []


def test_an_offset_that_the_signals_service_committed_early_is_reported(
    world: World, told: History
) -> None:
    partition = partition_of(told.organization)
    pid = world.machine.living("signals")
    freeze(pid)
    try:
        batch = a_new_batch(world, told)
        with db.connect() as connection:
            # past the block, without its rows
            store.rewind(connection, CONSUMER, ORDERS.name, partition, -1)
    finally:
        wake(pid)
    wait_until_caught_up(told.organization, timeout_seconds=60)
    lost = "\n".join(oracles.contained(told).lost)
    assert all(f"{order['order']} is not in the read model" in lost for order in batch.orders)


def test_an_offset_that_the_detector_committed_early_is_reported(
    world: World, told: History
) -> None:
    partition = partition_of(told.organization)
    pid = world.machine.living("detector")
    freeze(pid)
    batch = a_new_batch(world, told)
    publisher = kafka.Publisher()
    end = kafka.end_offset(ORDERS.name, partition)
    publisher.publish(STATE_CHANGELOG, str(end).encode(), key=SOURCE_KEY, partition=partition)
    publisher.close()
    os.kill(pid, signal.SIGKILL)
    world.machine.wait_gone(pid)
    world.machine.wait_ready("detector")
    wait_until_caught_up(told.organization, timeout_seconds=60)
    lost = "\n".join(oracles.contained(told).lost)
    assert all(f"{order['order']} is not in the detector's state" in lost for order in batch.orders)


def test_a_signal_that_says_something_else_than_sql_over_the_orders_is_reported(
    told: History,
) -> None:
    with db.connect() as connection:
        changed = connection.execute(
            "UPDATE signals SET lifetime_revenue_cents = lifetime_revenue_cents + 1 "
            "WHERE organization = %s AND signal = (SELECT min(signal) FROM signals "
            "WHERE organization = %s AND recovered_at IS NULL)",
            (told.organization, told.organization),
        ).rowcount
    assert changed == 1
    found = oracles.settled(told)
    assert (found.lost, found.doubled, len(found.differing)) == ([], [], 1)


def test_an_episode_that_ended_otherwise_than_its_undisturbed_twins_is_reported(
    world: World, told: History
) -> None:
    day = oracles.settle(told)
    world.tell_again(told, as_of=day)
    assert world.findings.all == []
    with db.connect() as connection:
        connection.execute(
            "UPDATE episodes SET resolution = 'aged_out' "
            "WHERE (organization, signal, episode) = (SELECT organization, signal, episode "
            "FROM episodes WHERE organization = %s AND resolution = 'reordered' LIMIT 1)",
            (told.organization,),
        )
    assert len(oracles.compared(told.organization, world.histories[-1].organization).differing) == 2


def test_an_effect_that_was_written_twice_is_reported(told: History) -> None:
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO audit_log (organization, at, actor, action, subject, detail)"
            " SELECT organization, at, actor, action, subject, detail FROM audit_log"
            " WHERE organization = %s AND subject = 'settings' LIMIT 1",
            (told.organization,),
        )
    found = oracles.contained(told)
    assert len(found.doubled) == 1
    assert "rows in the audit log" in found.doubled[0]


def test_settings_that_were_saved_and_are_gone_are_reported(told: History) -> None:
    version = max(told.settings)
    with db.connect_as_owner() as connection:  # nobody else may
        connection.execute(
            "UPDATE settings_versions SET settings = jsonb_set(settings, '{dormant,gap_days}', '7')"
            " WHERE organization = %s AND version = %s",
            (told.organization, version),
        )
    assert oracles.contained(told).lost == [
        f"H {told.organization}: settings version {version} was saved and is not there as it was"
    ]


def test_a_digest_that_never_came_came_three_times_or_under_another_id_is_reported(
    told: History, mailbox: Mailbox
) -> None:
    email = f"{told.organization}@chaos.example"
    fire_a_digest(told.organization, email)
    mails = eventually(lambda: mailbox.mails(email), what="a mail")
    found, copies = oracles.delivered(told.organization, mailbox.url)
    assert (found.all, list(copies.values())) == ([], [1])

    submit(mailbox.source(mails[0]["id"]), email)
    # twice, with one id: an answer may have been lost
    assert oracles.delivered(told.organization, mailbox.url)[0].all == []
    submit(mailbox.source(mails[0]["id"]), email)
    assert oracles.delivered(told.organization, mailbox.url)[0].doubled == [
        f"M {told.organization}: {email} got {mails[0]['message_id']} 3 times"
    ]

    submit(mailbox.source(mails[0]["id"]), email, message_id="<another@localhost>")
    assert f"M {told.organization}: {email} got <another@localhost>, of no digest that was due" in (
        oracles.delivered(told.organization, mailbox.url)[0].doubled
    )
    with db.connect() as connection:
        earlier = clock.now() - timedelta(days=3)
        slots.fire(connection, told.organization, "digest", earlier, fired_at=earlier, dropped=None)
        connection.execute(
            slots.SET_TICKED, {"organization": told.organization, "slot_at": earlier, "at": earlier}
        )
    assert len(oracles.delivered(told.organization, mailbox.url)[0].lost) == 1


# -- planting --------------------------------------------------------------------------------------


def a_new_batch(world: World, told: History) -> Batch:
    """Acknowledged now: orders that nobody has seen."""
    with db.connect() as connection:
        token = tokens.create(
            connection,
            told.organization,
            name=f"late-{clock.now_ms()}",
            scopes=["orders:write"],
            by=COMMAND_LINE,
        )
    steps = world.story(77).steps()
    batch = next(step for step in steps if isinstance(step, Batch))
    renamed = Batch(
        orders=tuple(
            order | {"order": f"late-{order['order']}"}
            for order in itertools.islice(batch.orders, 5)
        )
    )
    Teller(told.organization, token, (settings().ingest_port,), told).send(renamed.orders)
    return renamed


def a_head_with_orders(organization: str) -> tuple[str, HeadRecord]:
    """An account whose open page holds orders, as the changelog has it."""
    with tempfile.TemporaryDirectory() as folder:
        database = restore.opened(Path(folder) / "state")
        restore.catch_up(
            database,
            topic=STATE_CHANGELOG,
            partition=partition_of(organization),
            servers=settings().kafka,
            offset_key=CheckpointStore.offset_key,
        )
        prefix = head_key(organization, "")
        heads = [
            (key, unpacked(value, accounts._head))
            for key, value in RocksPartition(database).scan(prefix)
        ]
        database.close()
    return next((key[len(prefix) :].decode(), head) for key, head in heads if head.open_page)


def fire_a_digest(organization: str, email: str) -> None:
    """A schedule whose latest firing was within this hour: the clock fires it at once."""
    now = datetime.now(UTC)
    with db.connect() as connection:
        organizations.set_member(connection, organization, email, "owner")
        recipients.add(connection, organization, email, added_by="test")
        slots.set_schedule(
            connection,
            organization,
            "digest",
            frequency="daily",
            hour=now.hour,
            anchor_on=now.date() - timedelta(days=7),
            since=now - timedelta(days=2),
        )


def submit(source: bytes, email: str, *, message_id: str | None = None) -> None:
    """The mail goes out once more."""
    message = re.sub(rb"\A(?:(?:Return-Path|Delivered-To):[^\n]*\n)+", b"", source)
    if message_id is not None:
        message = re.sub(rb"(?m)^Message-ID:[^\r]*", b"Message-ID: " + message_id.encode(), message)
    host, _, port = settings().smtp_url.removeprefix("smtp://").partition(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.sendmail("winback@localhost", [email], message)
