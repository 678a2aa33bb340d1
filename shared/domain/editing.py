"""The steps of a draft as people type them: what they may be, said field by field (`subject-2`,
`body-2`, `wait-2`).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.domain import placeholders
from shared.domain.identifiers import INVISIBLE, has_encoded_word
from shared.domain.typed_numbers import NotANumber, NumberStyle, Unclear, read_whole
from shared.errors import FieldError, Rejected
from shared.events import Step

MOST_STEPS = 10
LONGEST_SUBJECT = 200
LONGEST_BODY = 10_000
LONGEST_CONFIRMED = 190  # a value of a variable, which is one line
MOST_WAIT_DAYS = 90

_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{INVISIBLE}]")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A step as it stands in the form: texts, whatever was typed."""

    subject: str = ""
    body: str = ""
    wait: str = "3"


def read_steps(
    typed: Sequence[Typed], allowed: Collection[str], style: NumberStyle
) -> tuple[Step, ...]:
    """The steps, if all of them can be right; the first has to wait for nothing but the launch. One
    without a subject stays in the thread of the letter before.
    Raises Rejected naming all fields.

    `allowed` are the variables of the sequence's type; `style` is how the organization writes
    numbers.
    """
    wrong: list[FieldError] = []
    if not typed:
        wrong.append(FieldError(field="steps", reason="a sequence has one step at least"))
    if len(typed) > MOST_STEPS:
        wrong.append(FieldError(field="steps", reason=f"a sequence has {MOST_STEPS} steps at most"))
    steps = []
    for number, step in enumerate(typed, start=1):
        subject, body = (
            step.subject.strip(),
            step.body.replace("\r\n", "\n").replace("\r", "\n").strip(),
        )
        if subject or number == 1:
            wrong += _wrong_text(
                subject, allowed, field=f"subject-{number}", longest=LONGEST_SUBJECT
            )
        wrong += _wrong_text(body, allowed, field=f"body-{number}", longest=LONGEST_BODY)
        if "\n" in subject:
            wrong.append(FieldError(field=f"subject-{number}", reason="must be one line"))
        if len(subject) <= LONGEST_SUBJECT and has_encoded_word(subject):
            wrong.append(
                FieldError(
                    field=f"subject-{number}",
                    reason="holds =?…?=, which mail programs show as another text",
                )
            )
        try:
            days = _read_wait(step.wait, style)
        except NotANumber as error:
            wrong.append(FieldError(field=f"wait-{number}", reason=str(error)))
            continue
        steps.append(Step(wait_days=days, subject=subject, text=body))
    if wrong:
        raise Rejected(*wrong)
    return tuple(steps)


def read_confirmed(text: str) -> str:
    """What a rep stands for at the launch, as it stands in each letter. Raises Rejected."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(plain) > LONGEST_CONFIRMED:
        reason = f"must be {LONGEST_CONFIRMED} characters at most; it has {len(plain)}"
        raise Rejected(FieldError(field="confirmed", reason=reason))
    if _CONTROL.search(plain):
        reason = "has characters that nobody sees, and that mail programs take amiss"
        raise Rejected(FieldError(field="confirmed", reason=reason))
    return " ".join(plain.split())


def _read_wait(text: str, style: NumberStyle) -> int:
    """Business days. Raises NotANumber."""
    try:
        days = read_whole(text, style, most=MOST_WAIT_DAYS)
    except Unclear:
        raise
    except NotANumber:
        days = None
    if days is None or days > MOST_WAIT_DAYS:
        raise NotANumber(f"must be 0 to {MOST_WAIT_DAYS} business days")
    return days


def _wrong_text(
    text: str, allowed: Collection[str], *, field: str, longest: int
) -> list[FieldError]:
    if not text:
        return [FieldError(field=field, reason="must say something")]
    if len(text) > longest:
        return [
            FieldError(
                field=field, reason=f"must be {longest:,} characters at most; it has {len(text):,}"
            )
        ]
    if _CONTROL.search(text):
        return [
            FieldError(
                field=field,
                reason="has characters that nobody sees, and that mail programs take amiss",
            )
        ]
    try:
        placeholders.check(text, allowed, field=field)
    except Rejected as error:
        return list(error.errors)
    return []
