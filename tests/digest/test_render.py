"""The mails: what they say, that no name can break them, that they fit, in both parts."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from services.digest import plain
from services.digest.edition import edit
from services.digest.facts import Back, Contact, Facts, Feed, Purchase
from services.digest.frame import Occasion, schedule_words
from services.digest.render import Rendered
from shared import mail, wording
from shared.domain.cadence import Frequency, Schedule
from shared.domain.digest import Account
from shared.events import Combo
from shared.settings import settings
from tests.digest.samples import (
    ARABIC,
    EIGHT,
    LONG_NAME,
    MONDAY,
    cherry_picking,
    dormant,
    facts,
    feed,
    lapse,
    monday_purchases,
    occasion,
)

NINETY_KB = 90_000
HOSTILE = (
    "<script>alert(1)</script>",
    "</td></tr></table><h1>x</h1>",
    '" onmouseover="alert(1)',
    "' & &amp; &#60;b&#62;",
    "<mj-text>x</mj-text><mj-include path='/etc/passwd' />",
    "{{ view.subject }} {% raw %} {# x #}",
    "]]> <!-- x --> <![CDATA[ y ]]>",
    "x\r\nBcc: evil@example.com",
    "=?utf-8?q?evil=0D=0ABcc:_a@b.c?=",
    "\u202egnirts \u2066deliver\u2069",
    ARABIC,
    "👩🏽\u200d🔧 Pipe 🇺🇸",
    "Z̸̡̢̛͓̺̈́̎a̷l̶g̵o̴",
    LONG_NAME,
    "漢字の会社名" * 20,
)

TAGS = {
    *("html", "head", "meta", "style", "title", "body"),
    *(
        "a",
        "b",
        "bdi",
        "br",
        "div",
        "h1",
        "h2",
        "i",
        "p",
        "s",
        "span",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
    ),
}


class Outline(HTMLParser):
    """Tags, attributes and the texts of the names of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.names: list[str] = []
        self._in_name = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag == "bdi":
            self._in_name = True
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "bdi":
            self._in_name = False

    def handle_data(self, data: str) -> None:
        if self._in_name:
            self.names[-1] += data


@pytest.fixture(autouse=True)
def base_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Links lead here, whatever the other tests' settings."""
    monkeypatch.setenv("WINBACK_BASE_URL", "https://console.example")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def rendered(
    given: Facts,
    sent: Occasion | None = None,
    *,
    why: str = "",
    bought: Mapping[str, Purchase] | None = None,
) -> Rendered:
    """The mail as a recipient gets it."""
    purchases = monday_purchases() if bought is None else bought
    edition = edit(
        given,
        sent or occasion(),
        why=why,
        purchases=lambda accounts: {a: purchases[a] for a in accounts if a in purchases},
    )
    return edition.rendered.personal(
        why="You were added by rs on 4 May 2026",
        unsubscribe_url="https://winback.example/unsubscribe/token",
    )


def flagged(names: Mapping[str, str]) -> Facts:
    """Every account in all of A and C, and in B with two combos; its owner has its name."""
    signals = [
        make(account)
        for account in names
        for make in (dormant, cherry_picking, lapse, lambda a: lapse(a, "7"))
    ]
    accounts = {
        account: Account(account=account, name=name, owner=name) for account, name in names.items()
    }
    return facts(signals=tuple(signals), accounts=accounts, previous=None)


def largest(letter: str, *, id_of: str = "A-{:05}", owner: str = "") -> Facts:
    """All that a digest can show: 75 accounts with names of 80 letters, 5 combos (of 7) each, 25 of
    40 that are pinned.
    """
    signals: list[Any] = []
    ids = {kind: [id_of.format(number * 3 + kind) for number in range(40)] for kind in range(3)}
    for number in range(40):
        signals.append(dormant(ids[0][number], lifetime=10**9 + number))
        signals += [
            lapse(ids[1][number], str(4 + n), "L80-13CR", lifetime=10**9 + number, lapsed=10**7 - n)
            for n in range(7)
        ]
        signals.append(cherry_picking(ids[2][number], lifetime=10**9 + number))
    name = (letter * 80)[:80]
    accounts = {
        a: Account(account=a, name=name, owner=owner or name) for kind in ids.values() for a in kind
    }
    pinned = {
        f"Y{n}": Account(account=f"Y{n}", name=name, owner=owner or name, enrollment="yes")
        for n in range(40)
    }
    return facts(signals=tuple(signals), accounts=accounts | pinned, previous=None)


# -- what it says ----------------------------------------------------------------------------------


def test_the_subject_and_the_preheader_say_it_all() -> None:
    own = rendered(facts())

    assert own.subject == "23 accounts to call · $1.84M · 4 new"
    assert ">Permian Supply $223,170, Caprock Energy Services $214,640</div>" in own.html


def test_both_parts_say_the_same() -> None:
    own = rendered(facts())

    for words in (
        "$1.84M recoverable",
        "23 accounts to call, 4 signals new · $94k more than on 16 Nov",
        "Newest order 2 minutes old",
        "$1,840,270",
        "3 accounts stand in two sections and count once",
        "dk · $215k at stake · last bought 19 Jul: 5 1/2 P110, 7 L80, 9 5/8 L80",
        "rs · also fully dormant",
        "mp · also a product lapse",
        "ea · last order 17 days ago",
        "11 of 11 · ",
        "with m = 62\u00a0%, the median",
        "dk · no signal, last order 14 days ago",
        "You were added by rs on 4 May 2026",
        "every Monday 08:00, Chicago · next on 30 Nov",
        "https://winback.example/unsubscribe/token",
        "/o/three-forks/sequences/d-b",
    ):
        assert words in own.html
        assert words in own.text.replace("\n", " ") or words in own.text


def test_the_parts_of_the_sum_add_up_to_the_sum_that_is_shown() -> None:
    signals = (dormant("1", last_year=149), lapse("2", lapsed=149), cherry_picking("3", upside=149))
    own = rendered(
        facts(signals=signals, accounts={a: Account(account=a) for a in "123"}, previous=None)
    )

    summary = own.text.split("=====")[0].splitlines()
    amounts = [int(line.rsplit("$")[-1]) for line in summary if line[:1] in ("A", "B", "C")]
    assert sum(amounts) == 4  # 447 cents; each alone would be 1


def test_a_cut_section_says_how_many_there_are() -> None:
    own = rendered(largest("x"))

    assert "25 of 40 · " in own.html and "25 of 40 · " in own.text
    assert "2 more" in own.html
    assert "15 more · " in own.html and "15 more, all in the console" in own.text


def test_rows_link_to_the_drawer_with_every_character_of_the_id() -> None:
    links = Outline(rendered(flagged({"a/b?c#d é": "x"})).html).links

    assert "https://console.example/o/three-forks/accounts/a%2Fb%3Fc%23d%20%C3%A9" in links


def test_each_row_offers_the_three_outcomes_by_pages_that_ask() -> None:
    own = Outline(rendered(facts()).html)

    wolf_hollow = "https://console.example/o/three-forks/outcomes/{}/Wolf%20Hollow%20Gas"
    assert {wolf_hollow.format(kind) for kind in ("reached_out", "won_back", "lost")} <= set(
        own.links
    )
    # rows of all sections: 11, 10 and 5
    assert sum("/outcomes/lost/" in link for link in own.links) == 26


def test_a_digest_that_would_be_too_large_leaves_the_outcomes_to_the_drawer() -> None:
    own = Outline(rendered(largest("x")).html)

    assert not [link for link in own.links if "/outcomes/" in link]
    assert [link for link in own.links if "/accounts/" in link]


def test_without_drafts_nothing_is_linked_as_one() -> None:
    own = rendered(facts(), occasion(drafts={}))

    assert "/sequences/" not in own.html + own.text


def test_nothing_new_is_said_and_so_is_nothing_changed() -> None:
    signals = (dormant("1", last_year=100),)
    first = edit(
        facts(signals=signals, accounts={"1": Account(account="1")}),
        occasion(),
        why="",
        purchases=lambda a: {},
    )
    assert first.digest is not None
    own = rendered(
        facts(signals=signals, accounts={"1": Account(account="1")}, previous=first.digest.shown)
    )

    assert own.subject == "1 account to call · $1 · nothing new"
    assert "1 account to call, no signal new · as much as on 23 Nov" in own.text


# -- the feed --------------------------------------------------------------------------------------


def test_a_silent_feed_shouts_before_anything_else() -> None:
    own = rendered(facts(feed=feed(age=timedelta(days=3))))

    assert own.subject == "No order for 3 days · 23 accounts to call"
    assert own.text.startswith("*** No order for 3 days.\n")
    assert own.html.index("No order for 3 days.") < own.html.index("$1.84M recoverable")


def test_a_feed_is_silent_only_beyond_the_setting() -> None:
    at_the_limit = rendered(facts(feed=feed(age=timedelta(hours=36))))
    beyond = rendered(facts(feed=feed(age=timedelta(hours=36, seconds=1))))

    assert "***" not in at_the_limit.text
    assert "*** No order for 36 hours." in beyond.text


def test_an_import_of_history_says_how_old_its_newest_order_is() -> None:
    imported = replace(feed(), newest_ordered_on=date(2011, 12, 9))

    assert "Newest order 2 minutes old, dated 9 Dec 2011\n" in rendered(facts(feed=imported)).text


def test_without_any_order_it_says_so() -> None:
    never = Feed(received=0, since=EIGHT, newest_accepted_at=None, newest_ordered_on=None)
    own = rendered(facts(signals=(), accounts={}, feed=never))

    assert own.subject == "No order yet: is the feed running?"
    assert "Newest order      none yet" in own.text


# -- the heartbeat ---------------------------------------------------------------------------------


def test_a_heartbeat_is_five_lines() -> None:
    own = rendered(facts(signals=(), accounts={}))

    assert own.subject == "Nobody to call · 1,204 accounts checked"
    assert own.text.split("——")[0].split("\n\n", 1)[1].split("\n") == [
        "Nobody to call this week.",
        "",
        "Checked           1,204 accounts, today 05:00",
        "Orders received   318 since 16 November",
        "Newest order      2 minutes old",
        "Next digest       Monday 30 November, 08:00",
        "",
        "",
        "",
    ]


def test_a_heartbeat_lists_the_always_included() -> None:
    own = rendered(facts(signals=()))

    assert "Pecos Bend Petroleum" in own.html and "Pecos Bend Petroleum" in own.text


def test_a_heartbeat_of_a_silent_feed_is_no_good_news() -> None:
    own = rendered(facts(signals=(), feed=feed(age=timedelta(days=3), received=0)))

    assert own.subject == "No order for 3 days: is the feed running?"
    assert (
        "*** No order has arrived for 3 days.\n"
        "“Nobody to call” means nothing while the feed is silent." in own.text
    )


def test_without_a_complete_run_it_says_so_and_why() -> None:
    own = rendered(facts(run=None), why="the run is held back by import orders-1")

    assert own.subject == "No digest yet: the check is not complete"
    assert (
        "The run is held back by import orders-1. The digest follows when it is, within 24 hours."
        in own.text.replace("\n", " ")
    )
    assert "Checked           1,204 accounts, today 05:00" in own.text
    assert "never yet" in rendered(facts(run=None, last_run=None), why="x").text


@pytest.mark.parametrize(
    ("frequency", "words"),
    [
        ("5-minutes", "every 5 minutes"),
        ("hourly", "every hour"),
        ("daily", "every day 08:00, Chicago"),
        ("3-days", "every 3 days 08:00, Chicago"),
        ("weekly", "every Monday 08:00, Chicago"),
        ("2-weeks", "every second Monday 08:00, Chicago"),
    ],
)
def test_the_schedule_is_said_in_words(frequency: Frequency, words: str) -> None:
    schedule = Schedule(
        frequency=frequency,
        hour=8,
        anchor_on=date(2026, 5, 4),
        timezone="America/Chicago",
        since=EIGHT,
    )

    assert schedule_words(schedule) == words


# -- hostile names ---------------------------------------------------------------------------------


def test_no_name_becomes_markup() -> None:
    own = rendered(flagged({f"id {n}": name for n, name in enumerate(HOSTILE)}))
    outline = Outline(own.html)

    safe = {wording.plain_name(name, longest=80) for name in HOSTILE}
    assert safe <= {name.strip() for name in outline.names}
    assert outline.tags <= TAGS
    assert not {name for name in outline.attributes if name.startswith("on")}


def test_no_name_of_an_organization_becomes_markup_or_a_header() -> None:
    for name in HOSTILE:
        given = facts()
        own = rendered(replace(given, organization=replace(given.organization, name=name)))
        assert wording.plain_name(name, longest=80) in {
            found.strip() for found in Outline(own.html).names
        }
        assert "\n" not in own.subject


def test_plain_text_keeps_to_78_columns_whatever_the_names() -> None:
    for own in (
        rendered(flagged({f"id {n}": name for n, name in enumerate(HOSTILE)})),
        rendered(facts()),
        rendered(largest("W ")),
    ):
        wide = [
            line
            for line in own.text.splitlines()
            if plain.width(line) > plain.WIDTH and "http" not in line
        ]
        assert wide == []


def test_a_right_to_left_name_does_not_turn_the_figures_around() -> None:
    own = rendered(facts())

    assert f"<bdi>{ARABIC}</bdi>" in own.html
    assert f"\u2068{ARABIC}\u2069 (still)" in own.text


# -- size, dark, MJML ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "letter", ["x", "Consolidated ", "&", "<", '"', "Ä", "ش", "漢", "🛢️", "W\u0301\u0302"]
)
@pytest.mark.parametrize("id_of", ["A-{:05}", "漢" * 60 + "{}"], ids=["short", "long"])
def test_the_largest_digest_is_under_90_kb_whatever_its_letters(letter: str, id_of: str) -> None:
    own = rendered(largest(letter, id_of=id_of))
    message = mail.message(
        sender=mail.Mailbox(email="winback@pipe.example", name=letter * 80),
        to="ana@example.com",
        subject=own.subject,
        message_id="0b6c@pipe.example",
        at=EIGHT,
        text=own.text,
        html=own.html,
        headers={"List-Unsubscribe": f"<https://winback.example/unsubscribe/{'x' * 400}>"},
    )

    assert len(message) < NINETY_KB


def test_80_ascii_letters_are_shown_whole_in_the_largest_digest() -> None:
    own = rendered(largest("Consolidated ", owner="someone@example.com"))

    assert ("Consolidated " * 80)[:80].strip() in Outline(own.html).names


def test_no_mjml_is_left_and_no_line_is_too_long() -> None:
    for own in (
        rendered(facts()),
        rendered(facts(signals=())),
        rendered(facts(run=None), why="x"),
        rendered(largest("🛢️")),
    ):
        assert "<mj-" not in own.html and "</mj-" not in own.html
        assert (
            max(len(line.encode()) for line in (own.html + own.text).splitlines())
            <= mail.LONGEST_LINE
        )


def test_the_mail_is_right_in_dark_mode_and_asks_no_other_host_for_anything() -> None:
    own = rendered(facts())

    assert '<meta name="color-scheme" content="light dark"' in own.html
    assert "@media (prefers-color-scheme:dark)" in own.html
    assert {link.split("/")[2] for link in Outline(own.html).links} == {
        "console.example",
        "winback.example",
    }
    assert not {"img", "link", "script"} & Outline(own.html).tags
    assert "url(" not in own.html and "@import" not in own.html


def test_the_data_tables_are_real_tables_with_heads() -> None:
    html = rendered(facts()).html

    assert html.count('<th scope="col"') == 4 + 3 + 2 + 3
    assert html.count('<th scope="row"') == 4 + 11 + 10 + 5 + 1
    assert MONDAY.isoformat() not in html


# -- what came back, whom to call, whose accounts --------------------------------------------------


def test_what_came_back_stands_in_both_parts_and_whom_to_call_in_each_row() -> None:
    monday = facts()
    caprock = next(one for one in monday.accounts.values() if one.name == "Caprock Energy Services")
    back = Back(
        account=Account(account="10900", name="Cottonwood Midstream", owner="jt"),
        what=(Combo(od="7.625", grade="P110"),),
        is_whole=False,
        ordered_on=date(2026, 11, 20),
        order_cents=2_231_000,
    )
    people = {caprock.account: Contact(name="Field supply", phone="806-555-0117", email=None)}
    told = replace(monday, back=(back,), contacts=people)
    own = rendered(told)
    for part in (own.text, own.html):
        assert "Cottonwood Midstream" in part and "ordered 7 5/8 P110 on 20 Nov" in part
        assert "Field supply 806-555-0117" in part
        assert "/accounts?state=back" in part


def test_the_button_opens_the_accounts_of_this_very_digest() -> None:
    own = rendered(facts(), occasion(digest="d-1"))
    for part in (own.text, own.html):
        assert "/o/three-forks/accounts?digest=d-1" in part


def test_a_digest_of_ones_own_counts_no_account_of_anybody_else() -> None:
    mine = facts().of_owners(("dk",))
    own = rendered(mine, occasion(digest="d-1", own=True))
    assert "Caprock Energy Services" in own.html and "Llano Drilling" not in own.html
    assert "Your accounts: " in own.text and "than on" not in own.text
    assert "digest=d-1&amp;mine=yes" in own.html
