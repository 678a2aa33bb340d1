"""What a mail server means when it does not take a mail: whose fault it is, and whether the address
is to blame.

The words that a server gives outrank its code: Office 365 answers `5.1.0` and says that the
sender's SPF is wrong. An address is refused for ever only where the code or the words say so.
"""

import re
from enum import StrEnum

MOST_WORDS = 2_000  # characters of an answer that are looked at


class Failure(StrEnum):
    """Why a mail was not delivered."""

    UNDELIVERABLE = "undeliverable"  # nobody is at this address, or its domain takes no mail
    SOFT = "soft"  # it may work another day: full, disabled, expired, or no reason is told
    OURS = "ours"  # the server does not want mail of this sender: SPF, reputation, blocked


# Codes that blame the address so plainly that words on the sender beside them do not count.
_PLAINLY_NOBODY = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.1.351"})
_EDGE = "recipient address rejected: access denied"  # Microsoft's words for nobody
# The code says that the address, or its domain, is not there (RFC 3463; 5.1.351 is Microsoft's).
_NOBODY_CODES = frozenset(
    {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.1.351", "5.4.4"}
)
_OURS_CODES = frozenset({"5.1.7", "5.1.8"})
_LATE_CODES = frozenset({"5.2.2", "4.4.7", "5.4.7", "5.4.316"})  # full, or given up in time

_OURS = re.compile(
    r"\b(?:spf|dkim|dmarc|spam|spammers?|dnsbl|rbls?|ptr|reputation|unsolicited|banned)\b"
    r"|block(?:ed| |-)?list|black ?list|blocked (?:using|by|due|for|because|ip)|spamhaus|spamcop"
    r"|\b(?:ip|host|server|you|sender|connection|message)\b.{0,40}? (?:been|is|are|was) blocked"
    r"|not allowed to send|not authori[sz]ed to send|unauthenticated|smtp authentication"
    r"|authentication (?:is )?required|authentication (?:check|information|failure|failed)"
    r"|reverse dns|reverse (?:mapping|lookup|hostname)"
    r"|sender (?:address )?(?:rejected|denied|verif)"
    r"|sender's (?:domain|address)|bad (?:sender|helo|ehlo)|invalid (?:sender|ip)|mismatches client"
    r"|envelope sender|helo (?:command )?rejected|(?:after|in reply to|did not like our) mail from"
    r"|>>> mail from|provide a valid from|frequency limited|rate.?limit|throttl"
    r"|too (?:many (?!hops)|fast)|receiving mail at a rate|access denied"
    r"|not accepted from|no access from|(?:open|insecure mail) relay|not accepting connections"
    r"|relay(?:ing)? (?:access )?(?:denied|prohibited|not)|network not allowed"
    r"|(?:policy|policies|protocol) (?:reasons?|violation|rejection)"
    r"|(?:by|to|for|local) (?:security )?polic"
    r"|(?:content|message) (?:was )?rejected|virus|malware|suspicious",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"quota|(?:mailbox|inbox|mail ?box|account|user|maildir)(?:'s)?(?: \S{1,80})? (?:is |has )?"
    r"(?:full|been exceeded|exceeded)|over ?limit|insufficient (?:disk|storage|system)"
    r"|exceeds? (?:allowed|mailbox|the )|too large|too big|no space|disk full|storage",
    re.IGNORECASE,
)
_ASLEEP = re.compile(
    r"disabled|suspend|inactive|deactivated|temporar|locked|frozen|try again|not active"
    r"|timed? ?out|time-?out|connection (?:refused|reset|lost)|expired|no route|unreachable|loop",
    re.IGNORECASE,
)
_ANYBODY = r"(?:users?|recipients?|mail ?box(?:es)?|address(?:es|ee)?|accounts?|alias|domain)"
_NOBODY = re.compile(
    r"user unknown|unknown user|nxdomain|null mx|nullmx|does(?:n't| not) accept mail"
    r"|no such (?:user|recipient|mailbox|address|account|local|host|domain|person|name)"
    r"|(?:unknown|invalid|unrouteable|unroutable|bad destination|non-?existent) (?:local )?"
    rf"(?:{_ANYBODY}|host|rcpt)"
    r"|host (?:or domain )?(?:name )?(?:not found|lookup failure|unknown)|unknown host"
    r"|(?:domain|host)(?: name)? (?:not found|does(?:n't| not) exist)"
    r"|not our customer|no mailbox (?:here|by|with)|not listed in|nobody (?:here|by)"
    r"|does(?:n't| not) have an? (?:\S{1,20} )?account|does(?:n't| not) receive (?:e?mail|any)"
    r"|not a (?:valid|known|registered) (?:\S{1,20} )?(?:user|mailbox|recipient)|no valid recipient"
    r"|recipient address rejected: access denied|recipientnotfound|recipnotfound"
    r"|undeliverable address|address not found|address couldn't be found"
    r"|invalid final delivery userid"
    r"|(?:host|domain) \S{1,100} not found|no mx record|indicated no smtp service"
    r"|has (?:moved|left)|no longer (?:with|works|employed|valid|available|active|exists?)"
    rf"|\b{_ANYBODY}\b.{{0,90}}?\b(?:unknown|not (?:be )?(?:found|exist|listed|known|valid)"
    r"|(?:does|do)(?:n't| not) exist|isn'?t (?:valid|found)|invalid|no longer|non-?existent)",
    re.IGNORECASE | re.DOTALL,
)
_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])", re.ASCII)


def failure_of(status: str, words: str) -> Failure:
    """What a server means by an answer, or by a report that it failed.

    status: an enhanced status code as RFC 3463 has it, or a text that holds one, or "".
    words: what the server said, or the program that gave up; only the first MOST_WORDS characters
    count.
    """
    words = " ".join(words[:MOST_WORDS].split())
    code = _code_of(status, words)
    nobody = _NOBODY.search(words)
    asleep = _ASLEEP.search(words)
    plainly = nobody and (code in _PLAINLY_NOBODY or _EDGE in words.lower())
    if _OURS.search(words) and not plainly:
        return Failure.OURS
    if code in _OURS_CODES:
        return Failure.OURS
    if _FULL.search(words) or code in _LATE_CODES:
        return Failure.SOFT
    if code in _NOBODY_CODES and not (code == "5.1.0" and asleep and not nobody):
        return Failure.UNDELIVERABLE
    if nobody and not (asleep and asleep.start() < nobody.start()):
        return Failure.UNDELIVERABLE
    if not asleep and code.startswith(("5.7.", "4.7.")):
        return Failure.OURS
    return Failure.SOFT


def _code_of(status: str, words: str) -> str:
    """The most telling code: one in the words that says more than x.0.0, else the status."""
    stated = _CODE.search(status[:100])
    inner: list[str] = _CODE.findall(words)
    telling = [code for code in inner if code.split(".")[1] != "0"]
    if telling:
        return telling[0]
    return stated[0] if stated else (inner[0] if inner else "")
