"""What an id, a name and a text may be (trust.md, *Hostile inputs*)."""

import sys
import unicodedata

import pytest

from shared.domain.identifiers import wrong_id, wrong_name, wrong_text

GOOD_IDS = ["A", "A-77", "Ord/2026 #1", "=1+1", "Żółć", "א", "💡", "x" * 100, "é" * 100, "日" * 66]
BAD_IDS = [
    *("", "x" * 101, "日" * 67, "💡" * 51, "x" * 1_000_000),
    *("a\x00b", "a\nb", "a\r", "\t", "\x7f", "\x85", "a\u2028b", "\ud800", "a\udfff"),
    *(
        "a\u202eb",
        "\u2066a",
        "a\u200bb",
        "a\u200db",
        "\ufeffa",
        "a\u2060",
        "a\u00adb",
        "\U000e0041",
    ),
    *("a\ufe0f", "a\u034fb", "\u3164", "\u115f", "a\uffa0", "\U0001d173", "\U000e0100"),
]
GOOD_NAMES = [
    "A",
    "Ölwerk & Söhne",
    "שלום בע״מ",
    "شركة",
    "نامه\u200cای",
    "👩\u200d🏭 Pipes",
    "🇨🇭",
    "=cmd()",
    "x" * 200,
    "日" * 200,
]
BAD_NAMES = [
    "",
    "x" * 201,
    "a\x00",
    "a\r\nBcc: x@y",
    "a\u202eb",
    "a\u2067b",
    "a\u200bb",
    "\ufeffa",
    "\ud83d",
    "a\u2029b",
]
BAD_NAMES += ["=?utf-8?q?evil=0D=0ABcc:_a@b.c?=", "x =?UTF-8?B?eA0K?= y", "=?latin-1?Q? a b ?="]


@pytest.mark.parametrize("text", GOOD_IDS)
def test_an_id_may_be_any_visible_text(text: str) -> None:
    assert wrong_id(text) is None


@pytest.mark.parametrize("text", BAD_IDS)
def test_an_id_holds_nothing_invisible_and_has_bounds(text: str) -> None:
    assert wrong_id(text)


@pytest.mark.parametrize("text", GOOD_NAMES)
def test_a_name_may_be_in_every_script_with_emoji(text: str) -> None:
    assert wrong_name(text) is None


@pytest.mark.parametrize("text", BAD_NAMES)
def test_a_name_breaks_no_line_and_turns_no_direction(text: str) -> None:
    assert wrong_name(text)


def test_every_control_and_format_character_of_unicode_is_refused_in_an_id() -> None:
    missed = [
        f"U+{point:04X}"
        for point in range(0x3000)
        if unicodedata.category(chr(point)) in ("Cc", "Cf", "Zl", "Zp")
        and wrong_id(chr(point)) is None
    ]
    assert [
        name
        for name in missed
        if not name.startswith(("U+060", "U+06DD", "U+070F", "U+089", "U+08E2"))
    ] == []
    assert all(wrong_id(chr(point)) for point in range(0xD800, 0xE000))
    assert sys.maxunicode == 0x10FFFF


def test_a_text_is_kept_as_sent_where_it_can_be_stored() -> None:
    assert wrong_text("") is None
    assert wrong_text('5 1/2"\tcasing\n\u200b') is None
    assert wrong_text("x" * 200) is None
    assert wrong_text("x" * 201)
    assert wrong_text("a\x00")
    assert wrong_text("\ud800")
