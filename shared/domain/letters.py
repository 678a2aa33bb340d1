"""What drafts say: three mails a type, with the angle of its type (product.md 6), and the variables
that each may use.

A · asks what changed, and offers availability and lead time on what the account bought.
B · names the lapsed size and grade: supply continuity; have requirements changed,
   did a competitor step in?
C · one source for specialty and standard; the specialty bought here is the proof.

The rep reads and edits all of it before anything is launched.
"""

from shared.events import SignalType, Step

HOLD_BUSINESS_DAYS = (
    14  # what a draft offers to hold is held six business days beyond its last mail
)

COMMON_VARIABLES = {
    "account": "the account's name",
    "contact_name": "the contact's name; where there is none, the blank before it goes too",
    "owner": "the account's rep",
    "organization": "your organization's name",
    "last_order": "day of the last order (product lapse: "
    "of what lapsed; cherry-picking: of specialty)",
    "hold_until": f"{HOLD_BUSINESS_DAYS} business days after the draft",
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
            subject="{bought}: available, with a date we keep",
            text=_letter(
                "your last order with us was on {last_order}. What you bought most, "
                "{bought}, is available, and the delivery date that we quote is the one we keep.",
                "What has changed on your side? A line back is enough.",
            ),
        ),
        Step(
            wait_days=3,
            subject="{bought}: quantity in, lead time back the same day",
            text=_letter(
                "should {bought} be on your programme again: "
                "send us the quantity, and you have availability and lead time the same day. "
                "What you need we hold for you until {hold_until}.",
                "If you buy something else by now, tell us what, and we look at that instead.",
            ),
        ),
        Step(
            wait_days=5,
            subject="Is it something we did?",
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
            subject="{lapsed}: on our yard, and held for you",
            text=_letter(
                "your last order with {lapsed} was on {last_order}; "
                "you bought it in {months} of the last twelve months. It is on our yard, "
                "and we can hold {usual_quantity} for you at the present price until {hold_until}.",
                "Have your requirements changed, or is someone else serving this size now? "
                "A line back is enough.",
            ),
        ),
        Step(
            wait_days=3,
            subject="{lapsed}: supply you can plan with",
            text=_letter(
                "should {all_lapsed} still be on your programme: we keep {usual_quantity} of "
                "{lapsed} for you, so that your supply does not depend on who has stock that week.",
                "If the design has changed, send us the new one and we quote it the same day.",
            ),
        ),
        Step(
            wait_days=5,
            subject="{lapsed}: shall we keep it?",
            text=_letter(
                "on {hold_until} we release the {lapsed} that we are holding for you. "
                "If you want it kept, answer with one word.",
            ),
        ),
    ),
    "cherry_picking": (
        Step(
            wait_days=0,
            subject="{specialty}, and the rest of the order with it",
            text=_letter(
                "you came to us for {specialty} with {specialty_orders} in the last twelve months, "
                "most recently on {last_order}. "
                "The hard part of your programme already comes from here.",
                "The standard sizes can come on the same truck, "
                "with the same papers, from the same people. What do you buy elsewhere now? "
                "Send us the list, and we quote it beside your next order.",
            ),
        ),
        Step(
            wait_days=3,
            subject="One order, one delivery, one set of papers",
            text=_letter(
                "{specialty_share} of what you buy from us is specialty. If one source for "
                "specialty and standard would save you a supplier, we make you one offer for both.",
                "Send us the sizes of your next job: you have our answer the same day.",
            ),
        ),
        Step(
            wait_days=5,
            subject="Shall we quote the standard sizes too?",
            text=_letter(
                "we quote your standard sizes beside {specialty} whenever you say so. Answer with "
                "one word, and the list is on its way; the prices hold until {hold_until}.",
            ),
        ),
    ),
}
