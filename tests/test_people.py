"""What is known of a person: one spelling of each thing, and no person lost for a wrong one."""

import pytest

from shared.people import (
    dialled,
    read_country,
    read_language,
    read_newsletter,
    read_phone,
    read_zone,
)

PHONES = [
    ("+1 (432) 555-0142", "+14325550142"),
    ("+1 432 555 0142 ext. 7", "+14325550142;ext=7"),
    ("432.555.0142x12", "4325550142;ext=12"),
    ("+44 (0)20 7946 0018", "+442079460018"),
    ("0043 1 5880", "004315880"),
    ("'+49 30 901820", "+4930901820"),
]


@pytest.mark.parametrize(("text", "number"), PHONES)
def test_a_phone_dials_what_was_written(text: str, number: str) -> None:
    assert dialled(read_phone(text)) == number


@pytest.mark.parametrize("text", ["call me", "12", "4.3255E+09", "1" * 21, "(1) " * 11, "٤٣٢٥٥٥"])
def test_what_nobody_can_dial_is_no_phone(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_phone(text)


def test_a_phone_holds_nothing_that_nobody_sees() -> None:
    assert read_phone("+1 432\r\n555\u200b0142") == "+1 432 5550142"


@pytest.mark.parametrize(
    ("reader", "text", "kept"),
    [
        (read_newsletter, " Subscribed ", "subscribed"),
        (read_newsletter, "UNSUBSCRIBED", "unsubscribed"),
        (read_language, "pt_br", "pt-BR"),
        (read_language, "ZH-hant-tw", "zh-Hant-TW"),
        (read_language, "de-CH-1996", "de-CH-1996"),
        (read_language, "es-419", "es-419"),
        (read_zone, "america/chicago", "America/Chicago"),
        (read_country, "us", "US"),
    ],
)
def test_each_thing_has_one_spelling(reader: object, text: str, kept: str) -> None:
    assert callable(reader) and reader(text) == kept


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        *((read_newsletter, text) for text in ("yes", "true", "", "subscribe")),
        *((read_language, text) for text in ("english", "xx", "en-", "en-USA", "e", "en US")),
        *((read_zone, text) for text in ("CST6", "Chicago", "../etc/passwd", "localtime", "+01")),
        *((read_country, text) for text in ("USA", "ZZ", "EU", "1", "")),
    ],
)
def test_what_is_none_of_the_list_is_refused(reader: object, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        assert callable(reader) and reader(text)
