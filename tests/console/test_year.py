"""Twelve months: the drawing stands over its table, and the table says what the drawing shows."""

from datetime import date

from services.signals.console.today import year

TODAY = date(2026, 11, 23)


def drawn(**changes: object) -> year.YearView:
    usual: dict[str, object] = {
        "today": TODAY,
        "stakes": {date(2026, 10, 5): 100_000_00, date(2026, 11, 23): 184_000_000},
        "back_by_week": {date(2026, 11, 16): 3},
        "back_by_month": {date(2026, 11, 1): 3},
        "lost_by_week": {date(2026, 10, 5): 1},
        "lost_by_month": {date(2026, 10, 1): 1},
        "settings_days": [date(2026, 7, 6)],
        "currency": "USD",
        "locale": "en_US",
        "summary_path": "/o/acme/summary",
    }
    return year.draw(**(usual | changes))  # type: ignore[arg-type]  # as they are named


def test_the_table_has_the_last_twelve_months_and_each_number_leads_to_its_rows() -> None:
    view = drawn()
    assert [one.name for one in view.months][:2] == ["Dec", "Jan"]
    assert [(one.stake, one.back, one.lost) for one in view.months][-2:] == [
        ("$100k", "0", "1"),
        ("$1.84M", "3", "0"),
    ]
    assert view.months[-1].path == "/o/acme/summary?month=2026-11"
    assert view.words == ("At stake, now $1,840,000; 3 came back and 1 were lost in twelve months")


def test_a_point_stands_over_the_column_of_its_month() -> None:
    view = drawn()
    assert view.outline.startswith("M1012 ")  # the 5th of the eleventh month of twelve
    assert view.marks == [("59.67%", "6 Jul: settings")]
    assert view.ups.startswith("M1156 ") and view.downs.startswith("M1018 ")


def test_without_a_run_there_is_nothing_to_draw_and_the_table_says_so() -> None:
    view = drawn(stakes={}, back_by_week={}, lost_by_week={}, settings_days=[])
    assert (view.area, view.outline, view.ups, view.marks) == ("", "", "", [])
    assert {one.stake for one in view.months} == {"–"}
