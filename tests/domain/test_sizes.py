"""Cases of product.md 1, *OD*: what is read, as what, and what is refused."""

import pytest

from shared.domain import sizes
from shared.domain.sizes import Reading, TaughtSizes, read_od

READ = [
    ("5 1/2", "5.5"),
    ('5-1/2"', "5.5"),
    ("5 - 1/2 in", "5.5"),
    ("5½ in", "5.5"),
    ("5 ½", "5.5"),
    ("5-½″", "5.5"),
    ("5 1⁄2", "5.5"),
    ("5 1/2", "5.5"),
    ("5.500", "5.5"),
    ("05.5", "5.5"),
    ("5.5in", "5.5"),
    ("5.5 IN.", "5.5"),
    ("5.5 inch", "5.5"),
    ("5.5 Inches", "5.5"),
    ("5.5”", "5.5"),
    ("5.5''", "5.5"),
    ("  5.5  ", "5.5"),
    ("1/2", "0.5"),
    ("½", "0.5"),
    (".5", "0.5"),
    ("7⅝", "7.625"),
    ("2 1/16", "2.063"),
    ("2.0625", "2.063"),
    ("2.06249", "2.062"),
    ("5 1/3", "5.333"),
    ("5 2/3", "5.667"),
    ("0.0005", "0.001"),
    ("999.9994 in", "999.999"),
    ("100", "100"),
    ('6"', "6"),
    ("6", "6"),
    ("6.000", "6"),
    ("10", "10"),
    ('139.7"', "139.7"),
    ('2‑3/8"', "2.375"),  # a hyphen that Word does not break at
    ("2-3/8“", "2.375"),
    ("2–3/8”", "2.375"),
    ("2—3∕8″", "2.375"),
    ("2\u00ad3/8", "2.375"),
    ("2\u22123/8", "2.375"),
    ("5 – ½", "5.5"),
    ("5\u202f½\u00a0in", "5.5"),
    ("６\u3000１／２＂", "6.5"),
    ("５.５", "5.5"),
    ("５．５ｉｎ", "5.5"),
    ("5.5\u2032\u2032", "5.5"),
    ("5.5’’", "5.5"),
    ("5.5´´", "5.5"),
    ("5.5\u02ba", "5.5"),
    ("\ufeff5.5\u200e", "5.5"),
    ("5.5㏌", "5.5"),
]

NOMINAL = [
    ("NPS 6", "6.625"),
    ("nps6", "6.625"),
    ("NPS 1/8", "0.405"),
    ("NPS 1 1/4", "1.66"),
    ("NPS 1½", "1.9"),
    ("NPS 2.5", "2.875"),
    ("NPS 3-1/2", "4"),
    ("NPS 12", "12.75"),
    ("NPS 14", "14"),
    ("NPS 80", "80"),
    ("ＮＰＳ　１½", "1.9"),
    ('NPS 6"', "6.625"),
    ("NPS 6 in", "6.625"),
    ('6" NPS', "6.625"),
    ("6“NPS", "6.625"),
    ("6 NPS", "6.625"),
    ("6nps", "6.625"),
    ("6 in NPS", "6.625"),
    ("6 in. NPS", "6.625"),
    ("1/2 NPS", "0.84"),
    ('1-1/2" NPS', "1.9"),
    ("1½” NPS", "1.9"),
    ("2.5 NPS", "2.875"),
    ('14" NPS', "14"),
    ("80 NPS", "80"),
]

MILLIMETRES = [
    ("139.7 mm", "5.5"),
    ("139.7MM", "5.5"),
    ("139.7㎜", "5.5"),
    ("１３９．７ ｍｍ", "5.5"),
    ("139.70 millimetres", "5.5"),
    ("168.3 mm", "6.625"),
    ("168.275 mm", "6.625"),
    ("168.4 mm", "6.63"),
    ("168 mm", "6.614"),
    ("60.3 mm", "2.375"),
    ("73 mm", "2.875"),
    ("244.5 mm", "9.625"),
    ("298.5 mm", "11.75"),
    ("339.7 mm", "13.375"),
    ("273.0 mm", "10.75"),  # 273.05 lies on a tie: ASME prints 273.0, others 273.1
    ("273.1 mm", "10.75"),
    ("323.8 mm", "12.75"),
    ("323.9 mm", "12.75"),
    ("356 mm", "14.016"),  # whole millimetres count from 400 on
    ("406.4 mm", "16"),
    ("406 mm", "16"),
    ("473 mm", "18.625"),
    ("508 mm", "20"),
    ("610 mm", "24"),
    ("609 mm", "23.976"),
    ("2032 mm", "80"),
    ("25399.98 mm", "999.999"),
]

REFUSED = [
    "6 SCH 40",
    "DN150",
    "DN 150",
    "5,5",
    "5,5 mm",
    "5.5 cm",
    "5.5 ft",
    "5' 6\"",
    "1,000.5",
    "٥.٥",
    "5²",
    "-5.5",
    "+5.5",
    "−5.5",
    "-½",
    "–½",
    "5\u20321\u2033",
    "５，５",
    "5¹⁄₂",
    "0",
    "0.000",
    "0.0004",
    "0.49/1000",
    "0/2",
    "5 0/2",
    "11/2",
    "2/2",
    "5 3/2",
    "1/0",
    "5.5 1/2",
    "5½½",
    "1/½",
    "5e0",
    "NaN",
    "Infinity",
    "1000",
    "999.9995",
    '1000"',
    "25400 mm",
    "0.01 mm",
    "139 7/10 mm",
    "NPS 7",
    "NPS 6 mm",
    "6 mm NPS",
    "NPS 6 NPS",
    "7 NPS",
    "6.625 NPS",
    "11/2 NPS",
    "6 NPS SCH 40",
    "60.3 NPS",
    "NPS",
    "OD 5.5",
    "5.5 x 20#",
    "none",
    "5.5\x00",
    "5" * 65,
    "9" * 64,
    "0." + "1" * 70,
]


@pytest.mark.parametrize(("text", "inches"), READ + NOMINAL + MILLIMETRES)
def test_a_size_is_read_without_a_warning(text: str, inches: str) -> None:
    assert read_od(text, {}) == Reading(inches)


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_for_certain_is_no_size_and_a_warning(text: str) -> None:
    reading = read_od(text, {})
    assert reading.value is None
    assert reading.warning


@pytest.mark.parametrize("text", [None, "", " ", " \t", "\u3000", "\u200b"])
def test_an_empty_text_is_no_size_and_no_warning(text: str | None) -> None:
    assert read_od(text, {"": "5"}) == Reading(None)


@pytest.mark.parametrize(
    ("text", "inches"),
    [("100.001", "100.001"), ("139.6", "139.6"), ("168", "168"), ("139 1/2", "139.5")],
)
def test_a_bare_number_above_100_is_inches_and_a_warning(text: str, inches: str) -> None:
    assert read_od(text, {}) == Reading(inches, "read as inches: millimetres?")


BARE = ["60.3", "60.33", "60.325", "73", "73.0", "73.03", "88.9", "88.90", "101.6", "114.3", "127"]
BARE += ["139.7", "168.3", "168.28", "273.0", "273.1", "323.8", "406.4", "406", "508", "21.3"]


@pytest.mark.parametrize("text", BARE)
def test_a_bare_number_that_is_a_listed_size_in_millimetres_is_no_size(text: str) -> None:
    """As inches it would be the dearest of specialties."""
    asked = "no size: millimetres? write the unit, or teach it in the size table"
    assert read_od(text, {}) == Reading(None, asked)
    assert read_od(f"{text} mm", {}).value in sizes._LISTED
    assert read_od(f'{text}"', {}).warning is None
    assert read_od(text, {text: "2.375"}) == Reading("2.375")


@pytest.mark.parametrize("text", ["60", "60.4", "88.8", "73 1/32", "88 9/10", "99.99"])
def test_a_bare_number_that_is_no_listed_size_in_millimetres_is_inches(text: str) -> None:
    assert read_od(text, {}).value == read_od(f"{text} in", {}).value is not None


def test_the_size_table_is_read_first_and_ignores_case_and_blanks() -> None:
    taught = {"6 SCH 40": "6.625", "5.5": "5.563", "139.7": "5.500"}
    for table in (taught, TaughtSizes(taught)):
        assert read_od("6sch40", table) == Reading("6.625")
        assert read_od(" 6  sch 40 ", table) == Reading("6.625")
        assert read_od("６\u00a0ｓｃｈ\u200940", table) == Reading("6.625")
        assert read_od("5.5", table) == Reading("5.563")
        assert read_od("139.7", table) == Reading("5.5")
        assert read_od("139.70", table).value is None
        assert read_od("5.50", table) == Reading("5.5")


@pytest.mark.parametrize("entry", ["5__0", "5_0", "5e0", " 5", "", "NaN", "9" * 5_000])
def test_an_entry_kept_before_numbers_were_strict_is_no_size_and_a_warning(entry: str) -> None:
    reading = read_od("5 1/2", {"5 1/2": entry})
    assert reading == Reading(None, "no size: its entry in the size table is no number")


def test_a_text_that_was_taught_with_typographic_marks_is_known_by_plain_ones() -> None:
    taught = {"6‑INCH – “STD”": "6.625"}
    for text in (*taught, '6-inch - "std"', "6‐INCH-„STD“"):
        assert read_od(text, taught) == Reading("6.625")


def test_two_keys_that_are_one_after_case_and_blanks_are_read_the_same_in_any_order() -> None:
    assert read_od("ab", {"A B": "1", "ab": "2"}) == read_od("ab", {"ab": "2", "A B": "1"})


def test_no_two_listed_sizes_share_their_millimetres() -> None:
    """A figure that stood for two sizes could not be read for certain."""
    for unit, listed in ((10, sizes._LISTED_BY_TENTHS), (1, sizes._LISTED_BY_WHOLE)):
        for millimetres, inches in listed.items():
            others = [
                other
                for other in {*sizes.NPS_INCHES.values(), *sizes.API_5CT_INCHES} - {inches}
                if abs(float(other) * 25.4 * unit - float(millimetres)) < 0.5
            ]
            if unit == 10 or millimetres >= sizes.WHOLE_MILLIMETRES_FROM:
                assert others == []


def test_every_listed_size_is_read_back_from_its_own_inches() -> None:
    for inches in (*sizes.NPS_INCHES.values(), *sizes.API_5CT_INCHES):
        assert read_od(inches, {}) == Reading(inches)
