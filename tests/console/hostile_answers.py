"""What each field of each form answers to each hostile value, exactly: route ->
field -> value -> answer.

`EVERY` is every value that a field does not list by its own name. A number is the status: 422 says
that the page comes back with the field named and everything else as it was typed; 404, that what it
names is not there; 409, that it was changed meanwhile.
"""

from services.signals.console.settings import detection_form, sending
from shared.domain.thresholds import DEFAULTS
from shared.wording import number_style
from tests.console.routes import Route

EVERY = "every other"
NAMED = "200, and the page names the field"  # what is tried out and not saved
FLASHED = "303, and the next page says why not"
UNREADY = "422, and the page says what keeps it from being done"
APART = "422, on a page of its own"  # nobody types what it refuses
Answers = dict[str, int | str]

ALIEN: Answers = {"no UTF-8": 422}  # no browser sends it: refused before anybody looks at the field
REFUSED: Answers = {EVERY: 422}
OPTIONAL: Answers = {EVERY: 422, "left out": 303}
NOT_THERE: Answers = {EVERY: 404, **ALIEN}
STALE: Answers = {EVERY: 409, **ALIEN}
TAKEN: Answers = {
    EVERY: 303,
    **ALIEN,
}  # a switch, the form's own id, a view's query (of which the unknown is dropped)
PLAIN_TEXT: Answers = {"template code": 303, "a script": 303, "40 digits": 303}
TRIED: Answers = {EVERY: NAMED, **ALIEN}
SWITCHED: Answers = {EVERY: 200, **ALIEN}
UNUSED = "nobody-asked"  # a field that no form has: as without it

DETECTION = detection_form.typed_of(DEFAULTS, number_style("USD")) | {"lapse.enabled": "on"}


def detection(field: Answers, switch: Answers) -> dict[str, Answers]:
    return {name: switch if name.endswith(".enabled") else field for name in DETECTION}


ANSWERS: dict[Route, dict[str, Answers]] = {
    Route("POST", "/sign-in"): {"email": REFUSED},
    Route("POST", "/sign-in/{link}"): {UNUSED: {EVERY: 410}},
    Route("POST", "/invitation/{organization}/{secret}"): {"answer": {EVERY: 410, **ALIEN}},
    Route("POST", "/sessions/end"): {"session": NOT_THERE},
    Route("POST", "/sign-out"): {},
    Route("POST", "/unsubscribe/{token}"): {UNUSED: {EVERY: 404}},
    Route("POST", "/opt-out/{token}"): {UNUSED: {EVERY: 404}},
    Route("POST", "/o/{organization}/accounts/{account:path}/primary"): {"contact": NOT_THERE},
    Route("POST", "/o/{organization}/accounts/{account:path}/contacts"): {
        "contact": NOT_THERE | {"left out": 303},
        "edition": REFUSED,
        "name": OPTIONAL | PLAIN_TEXT,
        "title": OPTIONAL | PLAIN_TEXT,
        "phone": OPTIONAL,
        "email": OPTIONAL,
        "newsletter": OPTIONAL,
        "language": OPTIONAL,
        "zone": OPTIONAL,
        "country": OPTIONAL,
        "primary": TAKEN,
    },
    Route("POST", "/o/{organization}/views"): {
        "name": {
            EVERY: FLASHED,
            "line breaks": 303,
            "template code": 303,
            "a script": 303,
            "40 digits": 303,
            **ALIEN,
        },
        "query": TAKEN,
    },
    Route("POST", "/o/{organization}/views/delete"): {"view": NOT_THERE},
    Route("POST", "/o/{organization}/columns"): {"column": TAKEN},
    Route("POST", "/o/{organization}/enrollment"): {"no": NOT_THERE | {"left out": 422}},
    Route("POST", "/o/{organization}/outcomes"): {
        "account": NOT_THERE,
        "kind": REFUSED,
        "reason": OPTIONAL,
        "signal": OPTIONAL | {"template code": 404, "a script": 404, "40 digits": 404},
        "once": TAKEN,
        "note": OPTIONAL | PLAIN_TEXT,
        "follow_up_on": OPTIONAL,
    },
    Route("POST", "/o/{organization}/outcomes/{outcome}/undo"): {},
    Route("POST", "/o/{organization}/runs"): {},
    Route("POST", "/o/{organization}/follow-ups/{follow_up}"): {
        "do": REFUSED,
        "follow_up_on": REFUSED,
    },
    Route("POST", "/o/{organization}/accounts/{account:path}/notes"): {
        "note": REFUSED | PLAIN_TEXT,
        "once": TAKEN,
    },
    Route("POST", "/o/{organization}/notes/{note}/delete"): {},
    Route("POST", "/o/{organization}/settings/owners"): {
        "owner": REFUSED | PLAIN_TEXT,
        "name": OPTIONAL | PLAIN_TEXT,
        "email": OPTIONAL,
    },
    Route("POST", "/o/{organization}/sequences/{sequence}"): {
        "edition": REFUSED,
        "do": OPTIONAL,
        "wait-1": OPTIONAL,
        "subject-1": REFUSED | {"a script": 303, "40 digits": 303},
        "body-1": REFUSED
        | {"line breaks": 303, "a script": 303, "40 digits": 303, "5,000 digits": 303},
    },
    Route("POST", "/o/{organization}/sequences/{sequence}/move"): {"do": REFUSED},
    Route("POST", "/o/{organization}/sequences/{sequence}/launch"): {
        "confirmed": {
            EVERY: 422,
            **dict.fromkeys(
                ("left out", "line breaks", "template code", "a script", "40 digits"), UNREADY
            ),
        },
        UNUSED: {EVERY: UNREADY},
    },
    Route("POST", "/o/{organization}/sequences/{sequence}/people"): {
        "account": NOT_THERE,
        "do": {EVERY: APART},
    },
    Route("POST", "/o/{organization}/health/audit"): {},
    Route("POST", "/o/{organization}/health/dead-letters"): {"id": NOT_THERE},
    Route("POST", "/o/{organization}/settings"): detection(REFUSED, TAKEN) | {"version": STALE},
    Route("POST", "/o/{organization}/settings/try"): detection(TRIED, SWITCHED)
    | {"version": SWITCHED},
    Route("POST", "/o/{organization}/settings/replay"): detection(TRIED, SWITCHED)
    | {"version": SWITCHED},
    Route("POST", "/o/{organization}/settings/sizes"): {
        "version": STALE,
        "sizes": OPTIONAL,
        "grade_aliases": OPTIONAL,
    },
    Route("POST", "/o/{organization}/settings/aliases"): {
        "spelling": NOT_THERE,
        "grade": NOT_THERE,
    },
    Route("POST", "/o/{organization}/settings/digest"): {
        "frequency": REFUSED,
        "hour": REFUSED,
        "weekday": REFUSED,
        "recipient": OPTIONAL,
    },
    Route("POST", "/o/{organization}/settings/digest/next"): {
        "frequency": TRIED,
        "hour": TRIED,
        "weekday": TRIED,
    },
    Route("POST", "/o/{organization}/settings/digest/test"): {},
    Route("POST", "/o/{organization}/settings/digest/own"): {"own": TAKEN},
    Route("POST", "/o/{organization}/settings/digest/again"): {},
    Route("POST", "/o/{organization}/settings/sending"): {
        "replies": REFUSED,
        "postal_address": OPTIONAL | PLAIN_TEXT | {"line breaks": 303},
        "country": REFUSED,  # left out, it leaves a region without one
        "region": OPTIONAL,
        "closing_days": OPTIONAL,
        "every_day": TAKEN,
        **{key: REFUSED for key, _, _ in sending.NUMBERS},
    },
    Route("POST", "/o/{organization}/settings/sending/prove"): {},
    Route("POST", "/o/{organization}/settings/sending/prove/{token}"): {UNUSED: {EVERY: 404}},
    Route("POST", "/o/{organization}/settings/sending/go-on"): {"sender": NOT_THERE},
    Route("POST", "/o/{organization}/settings/members/invite"): {
        "email": REFUSED,
        "role": OPTIONAL,
    },
    Route("POST", "/o/{organization}/settings/members/role"): {"email": NOT_THERE, "role": REFUSED},
    Route("POST", "/o/{organization}/settings/members/remove"): {"email": NOT_THERE},
    Route("POST", "/o/{organization}/settings/members/withdraw"): {"email": NOT_THERE},
    Route("POST", "/o/{organization}/settings/tokens"): {
        "scope": REFUSED,
        "name": REFUSED | {"template code": 200, "a script": 200, "40 digits": 200},
    },
    Route("POST", "/o/{organization}/settings/tokens/rotate"): {"name": NOT_THERE},
    Route("POST", "/o/{organization}/settings/tokens/revoke"): {"name": NOT_THERE},
}
