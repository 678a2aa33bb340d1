"""What drafts say: three mails a type, with the angle of its type (product.md 6), and the variables
that each may use.

A · asks what changed, and whether what the account bought is needed.
B · names the lapsed size and grade: have requirements changed, did a competitor step in?
C · one source for specialty and standard; the specialty bought here is the proof.

A letter promises nothing that nobody checked: no stock, no date, no price, nothing held. What a rep
has checked stands in `{confirmed}`, typed at the launch; without it the letter asks. The second and
third stay in the thread of the first. The rep reads and edits all of it before it is launched.
"""

from shared.events import SignalType, Step

HOLD_BUSINESS_DAYS = 14  # how far ahead {hold_until} is, for who writes a date of their own

COMMON_VARIABLES = {
    "account": "the account's name",
    "contact_name": "the contact's name; where there is none, the blank before it goes too",
    "owner": "the account's rep",
    "organization": "your organization's name",
    "last_order": "day of the last order (product lapse: "
    "of what lapsed; cherry-picking: of specialty)",
    "hold_until": f"{HOLD_BUSINESS_DAYS} business days after the draft",
    "confirmed": "what you confirm at the launch: stock, lead time, a price; else nothing",
    "bought": "what they bought most: sizes and grades, or products where there are none",
}

VARIABLES: dict[SignalType, dict[str, str]] = {
    "dormant": COMMON_VARIABLES,
    "lapse": COMMON_VARIABLES
    | {
        "lapsed": "the lapsed size and grade that earned most",
        "all_lapsed": "all lapsed sizes and grades",
        "months": "months of the last twelve in which it was bought",
        "usual_quantity": "their usual quantity of it",
    },
    "cherry_picking": COMMON_VARIABLES
    | {
        "specialty": "the specialty sizes they buy most",
        "specialty_share": "share of specialty in what they bought in the last twelve months",
        "specialty_orders": "orders with specialty in the last twelve months",
    },
}


def _letter(*paragraphs: str) -> str:
    return "\n\n".join(("Hello {contact_name},", *paragraphs, "{owner}, {organization}"))


STEPS: dict[SignalType, tuple[Step, ...]] = {
    "dormant": (
        Step(
            wait_days=0,
            subject="{bought}: what has changed?",
            text=_letter(
                "your last order with us was on {last_order}. What you bought most was {bought}.",
                "{confirmed}",
                "What has changed on your side? A line back is enough.",
            ),
        ),
        Step(
            wait_days=3,
            subject="",
            text=_letter(
                "should {bought} be on your programme again: send us the quantity, and we come "
                "back with availability and lead time.",
                "If you buy something else by now, tell us what, and we look at that instead.",
            ),
        ),
        Step(
            wait_days=5,
            subject="",
            text=_letter(
                "we have not had an order from you since {last_order}. "
                "If the reason lies with us, we would like to know it. "
                "If the need is gone, one word is enough, and we stop writing.",
            ),
        ),
    ),
    "lapse": (
        Step(
            wait_days=0,
            subject="{lapsed}: do you still need it?",
            text=_letter(
                "your last order with {lapsed} was on {last_order}; "
                "you bought it in {months} of the last twelve months.",
                "{confirmed}",
                "Have your requirements changed, or is someone else serving this size now? "
                "A line back is enough.",
            ),
        ),
        Step(
            wait_days=3,
            subject="",
            text=_letter(
                "should {all_lapsed} still be on your programme: what would you need, and by when? "
                "We look at what we can do, and tell you what we cannot.",
                "If the design has changed, send us the new one.",
            ),
        ),
        Step(
            wait_days=5,
            subject="",
            text=_letter(
                "one last question about {lapsed}: shall we keep it in mind for you, or is it gone "
                "for good? One word is enough.",
            ),
        ),
    ),
    "cherry_picking": (
        Step(
            wait_days=0,
            subject="{specialty}, and the rest of the order with it?",
            text=_letter(
                "you came to us for {specialty} with {specialty_orders} in the last twelve months, "
                "most recently on {last_order}. "
                "The hard part of your programme already comes from here.",
                "{confirmed}",
                "What do you buy elsewhere now, and what would have to be right for it to come "
                "from here too? Send us the list, and we quote it beside your next order.",
            ),
        ),
        Step(
            wait_days=3,
            subject="",
            text=_letter(
                "{specialty_share} of what you buy from us is specialty. Would one source for "
                "specialty and standard save you a supplier?",
                "Send us the sizes of your next job, and we say what we can do.",
            ),
        ),
        Step(
            wait_days=5,
            subject="",
            text=_letter(
                "shall we quote your standard sizes beside {specialty} the next time you ask? "
                "One word is enough.",
            ),
        ),
    ),
}
