"""The oracle itself, by hand: one small story for each way a signal's life can go."""

from datetime import date, datetime, timedelta

import pytest

from shared.domain.thresholds import CherryPicking, DetectionSettings, Dormant, Lapse
from shared.events import Line, Order
from tests.oracle.histories import START, block, run_request, stamped_ahead, version
from tests.oracle.oracle import Oracle, Signal
from tests.oracle.rules import Key

JUNE = date(2026, 6, 1)
SETTINGS = DetectionSettings(
    dormant=Dormant(gap_days=90, minimum_lifetime_revenue_cents=1_000),
    lapse=Lapse(
        enabled=True, lapse_days=30, history_days=365, minimum_revenue_cents=1_000, minimum_months=1
    ),
    cherry_picking=CherryPicking(enabled=True, window_days=365, minimum_revenue_cents=1_000),
)
DORMANT = Key("A", "dormant")
LAPSE = Key("A", "lapse", "5.5", "J55")
CHERRY_PICKING = Key("A", "cherry_picking")


class Story:
    """One organization, told in the order of the log."""

    def __init__(self, settings: DetectionSettings = SETTINGS) -> None:
        self._oracle = Oracle()
        self._settings = settings
        self._runs = 0
        self._records = 0

    def bought(
        self,
        order: str,
        day: date,
        *,
        cents: int = 2_000,
        od: str | None = "5 1/2",
        grade: str | None = "J-55",
        account: str = "A",
        revision: int = 1,
        cancelled: bool = False,
    ) -> "Story":
        line = Line(revenue_cents=cents, od=od, grade=grade)
        return self.accepted(
            version(
                organization="acme",
                order=order,
                account=account,
                ordered_on=day,
                revision=revision,
                cancelled=cancelled,
                lines=[line],
            )
        )

    def accepted(self, order: Order) -> "Story":
        self._oracle.record(block([order]), at=self._next())
        return self

    def run(self, day: date, settings: DetectionSettings | None = None) -> "Story":
        self._runs += 1
        self._settings = settings or self._settings
        event = run_request(
            "acme",
            number=self._runs,
            as_of=day,
            settings_version=1 + (settings is not None),
            settings=self._settings,
        )
        self._oracle.record(event, at=self._next())
        return self

    def signal(self, key: Key) -> Signal:
        return self._oracle.signals("acme")[key]

    def ending(self, key: Key) -> tuple[date | None, str | None]:
        """When and how the last episode closed."""
        last = self.signal(key).episodes[-1]
        return last.closed_on, last.resolution

    def _next(self) -> datetime:
        self._records += 1
        return START + timedelta(minutes=self._records)


def before(days: int) -> date:
    return JUNE - timedelta(days=days)


def after(days: int) -> date:
    return JUNE + timedelta(days=days)


def test_an_order_that_answers_closes_as_reordered_on_its_day() -> None:
    story = Story().bought("1", before(90)).run(JUNE).bought("2", after(3))
    assert story.ending(DORMANT) == (after(3), "reordered")


def test_an_order_of_the_very_day_that_opened_it_answers_and_one_of_the_day_before_does_not() -> (
    None
):
    assert Story().bought("1", before(90)).run(JUNE).bought("2", JUNE).ending(DORMANT) == (
        JUNE,
        "reordered",
    )
    assert Story().bought("1", before(90)).run(JUNE).bought("2", before(1)).ending(DORMANT) == (
        JUNE,
        "correction",
    )


def test_a_recovered_signal_that_fires_again_is_reopened_and_keeps_its_first_detection() -> None:
    story = Story().bought("1", before(90)).run(JUNE).bought("2", after(3)).run(after(93))
    signal = story.signal(DORMANT)
    assert (signal.detected_at, signal.last_seen_at) == (
        START + timedelta(minutes=2),
        START + timedelta(minutes=4),
    )
    assert [(e.opened_on, e.closed_on) for e in signal.episodes] == [
        (JUNE, after(3)),
        (after(93), None),
    ]


def test_a_late_order_is_a_correction_since_the_signal_was_never_true() -> None:
    story = Story().bought("1", before(90)).run(JUNE).bought("2", before(1))
    assert story.ending(DORMANT) == (JUNE, "correction")


@pytest.mark.parametrize(
    "change",
    [{"cancelled": True}, {"account": "B"}, {"cents": 999}],
    ids=["cancelled", "moved", "edited"],
)
def test_an_order_taken_back_is_a_correction(change: dict[str, bool | str | int]) -> None:
    story = Story().bought("1", before(90)).run(JUNE)
    story.bought("1", before(90), revision=2, **change)  # type: ignore[arg-type]  # one of three keywords
    assert story.ending(DORMANT) == (JUNE, "correction")


def test_a_duplicate_and_an_older_version_close_nothing() -> None:
    story = Story().bought("1", before(90), revision=2).run(JUNE)
    story.bought("1", before(90), revision=2).bought("1", before(90), revision=1, cancelled=True)
    assert story.signal(DORMANT).active


def test_what_was_over_before_the_order_waits_for_the_run() -> None:
    """As of the order's day the account is dormant: the lapse is over, and not by this
    order, which is a credit.
    """
    story = Story().bought("1", before(60)).bought("2", before(1), od="7").run(JUNE)
    story.bought("3", after(95), cents=-1, od=None, grade=None)
    assert story.signal(LAPSE).active
    assert story.run(after(95)).ending(LAPSE) == (after(95), "superseded")


def test_history_that_slides_out_of_the_window_ages_a_signal_out() -> None:
    story = Story().bought("1", before(364)).bought("2", before(1), od="7").run(JUNE).run(after(1))
    assert story.signal(LAPSE).opened_on == JUNE
    assert story.ending(LAPSE) == (after(1), "aged_out")


def test_what_would_still_fire_under_the_former_settings_is_closed_by_settings() -> None:
    renamed = DetectionSettings(
        dormant=SETTINGS.dormant,
        lapse=SETTINGS.lapse,
        cherry_picking=SETTINGS.cherry_picking,
        grade_aliases={"J55": "K55"},
    )
    story = (
        Story()
        .bought("1", before(60))
        .bought("2", before(1), od="7")
        .run(JUNE)
        .run(after(1), renamed)
    )
    assert story.ending(LAPSE) == (after(1), "settings")
    assert story.signal(Key("A", "lapse", "5.5", "K55")).active


def test_only_standard_goods_answer_a_cherry_picker() -> None:
    story = Story().bought("1", before(10), od="7").run(JUNE).bought("2", after(1), od="9 5/8")
    assert story.signal(CHERRY_PICKING).active
    assert story.bought("3", after(2), od="2 3/8").ending(CHERRY_PICKING) == (after(2), "reordered")


def test_an_order_dated_after_the_run_is_invisible_to_it() -> None:
    story = Story().bought("1", before(90)).bought("2", after(3)).run(JUNE)
    assert story.signal(DORMANT).active
    assert story.run(after(3)).ending(DORMANT) == (after(3), "aged_out")


def test_the_earliest_day_stamped_on_a_version_stands() -> None:
    sent_ahead = version(
        organization="acme",
        order="1",
        account="A",
        ordered_on=before(89),
        revision=1,
        cancelled=False,
        lines=[Line(revenue_cents=2_000)],
    )
    assert (
        Story()
        .accepted(sent_ahead)
        .accepted(stamped_ahead(sent_ahead))
        .run(JUNE)
        .signal(DORMANT)
        .active
    )
    assert (
        Story()
        .accepted(stamped_ahead(sent_ahead))
        .accepted(sent_ahead)
        .run(JUNE)
        .signal(DORMANT)
        .active
    )
