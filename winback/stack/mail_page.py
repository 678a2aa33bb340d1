"""The page of the mail sink: a list of mails, each as HTML (in a sandbox), as text and as source;
the same as JSON.

GET /                       the list            GET /api/messages[?to=ADDRESS]
GET /messages/ID            one mail            GET /api/messages/ID
GET /messages/ID/html|text|source               DELETE /api/messages
POST /messages/ID/answer    what they would say PUT /api/answers {"recipient", "answer", "times"}
                                                POST /api/messages/ID/answer {"kind", "text"}
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from winback.stack.answering import KINDS, TEXTS, Door, NotHandedOn
from winback.stack.mailbox import Answers, Mailbox, body, parsed

STYLE = """
:root {
  color-scheme: light dark;
  font: 15px/1.5 system-ui, sans-serif;
  --line: color-mix(in srgb, currentColor 18%, transparent);
}
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; }
a { color: inherit; } h1 { font-size: 1.25rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td a { text-decoration: none; font-weight: 600; } td a:hover { text-decoration: underline; }
.heads th { width: 10rem; }
.quiet { opacity: .65; white-space: nowrap; } nav a { margin-right: 1rem; }
iframe { width: 100%; height: 75vh; border: 1px solid var(--line); border-radius: 6px; }
"""

LARGEST_ANSWER = 65_536

# A mail is a stranger's page: no scripts, no forms, nothing loaded from elsewhere;
# its links open beside it.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_POLICY = f"sandbox {SANDBOX}; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"


def start(
    host: str, port: int, mailbox: Mailbox, answers: Answers, door: Door
) -> ThreadingHTTPServer:
    """Serve in a thread."""

    class Bound(Page):
        pass

    Bound.mailbox, Bound.answers, Bound.door = mailbox, answers, door
    server = ThreadingHTTPServer((host, port), Bound)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="mail-page", daemon=True).start()
    return server


class Page(BaseHTTPRequestHandler):
    """One request. Its class attributes are set by `start`."""

    mailbox: Mailbox
    answers: Answers
    door: Door

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match url.path.strip("/").split("/"):
            case [""]:
                self.page("Mails", self.list())
            case ["readyz" | "healthz"]:
                self.answer(b"ready\n", "text/plain")
            case ["api", "messages"]:
                to = parse_qs(url.query).get("to", [None])[0]
                self.json({"messages": [asdict(mail) for mail in self.mailbox.newest(to)]})
            case ["api", "messages", mail]:
                self.with_source(mail, self.mail_as_json)
            case ["messages", mail]:
                self.with_source(mail, self.mail_page)
            case ["messages", mail, "html" | "text" | "source" as kind]:
                self.with_source(mail, lambda _, source: self.part(kind, source))
            case _:
                self.nothing()

    def do_DELETE(self) -> None:
        if self.path != "/api/messages":
            return self.nothing()
        self.mailbox.clear()
        self.json({})

    def do_PUT(self) -> None:
        if self.path != "/api/answers":
            return self.nothing()
        try:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answers.plan(str(asked["recipient"]), str(asked["answer"]), asked.get("times"))
        except (ValueError, TypeError, KeyError):
            return self.answer(
                b'wanted: {"recipient", "answer", "times"}\n', "text/plain", status=400
            )
        self.json({})

    def do_POST(self) -> None:
        match urlsplit(self.path).path.strip("/").split("/"):
            case ["api", "messages", mail, "answer"]:
                self.with_source(mail, self.answered_as_json)
            case ["messages", mail, "answer"]:
                self.with_source(mail, self.answered)
            case _:
                self.nothing()

    def answered_as_json(self, mail: str, source: bytes) -> None:
        try:
            asked = json.loads(self.body())
            said = self.say(mail, source, str(asked["kind"]), str(asked.get("text", "")))
        except (ValueError, TypeError, KeyError, NotHandedOn) as error:
            return self.answer(f"{error}\n".encode(), "text/plain", status=400)
        self.json({"said": said})

    def answered(self, mail: str, source: bytes) -> None:
        asked = parse_qs(self.body().decode(errors="replace"))
        try:
            said = self.say(mail, source, asked["kind"][0], asked.get("text", [""])[0])
        except (KeyError, NotHandedOn) as error:
            said = str(error)
        self.page(
            "Answered",
            f'<h1>The door said: {escape(said)}</h1><p><a href="/messages/{mail}">The mail</a></p>',
        )

    def say(self, mail: str, source: bytes, kind: str, text: str) -> str:
        """What the first recipient says to a mail. Raises KeyError, NotHandedOn."""
        if kind not in KINDS:
            raise KeyError(kind)
        listed = self.mailbox.mails[mail]
        to = listed.recipients[0] if listed.recipients else ""
        return self.door.answer(parsed(source), to=to, envelope=listed.sender, kind=kind, text=text)

    def body(self) -> bytes:
        return self.rfile.read(min(int(self.headers["Content-Length"] or 0), LARGEST_ANSWER))

    def list(self) -> str:
        rows = "".join(
            f'<tr><td><a href="/messages/{mail.id}">'
            f"{escape(mail.subject or '(no subject)')}</a></td>"
            f"<td>{escape(', '.join(mail.recipients))}</td>"
            f'<td class="quiet">{mail.received_at.replace("T", " ").removesuffix("Z")}</td>'
            f'<td class="quiet">{mail.bytes / 1000:.0f} KB</td></tr>'
            for mail in self.mailbox.newest()
        )
        head = "<tr><th>Subject</th><th>To</th><th>Received (UTC)</th><th>Size</th></tr>"
        return (
            f"<h1>Mails</h1><table>{head}{rows}</table>"
            if rows
            else "<h1>Mails</h1><p>None yet.</p>"
        )

    def mail_page(self, mail: str, source: bytes) -> None:
        message = parsed(source)
        kinds = [
            kind
            for kind, part in (("html", "html"), ("text", "plain"))
            if body(message, part) is not None
        ] + ["source"]
        tabs = "".join(
            f'<a href="/messages/{mail}/{kind}" target="mail">{kind}</a>' for kind in kinds
        )
        heads = "".join(
            f"<tr><th>{name}</th><td>{escape(str(message[name]))}</td></tr>"
            for name in ("From", "To", "Date", "Message-ID", "List-Unsubscribe")
            if message[name]
        )
        frame = (
            f'<iframe name="mail" title="The mail" sandbox="{SANDBOX}" '
            f'src="/messages/{mail}/{kinds[0]}"></iframe>'
        )
        subject = str(message["Subject"] or "(no subject)")
        head = (
            f'<p><a href="/">All mails</a></p><h1>{escape(subject)}</h1>'
            f'<table class="heads">{heads}</table>'
        )
        self.page(subject, f"{head}{self.answer_form(mail)}<nav><p>{tabs}</p></nav>{frame}")

    def answer_form(self, mail: str) -> str:
        """Of a letter whose answers are heard: what the recipient or their server could say."""
        if not self.door.is_for(self.mailbox.mails[mail].sender):
            return ""
        buttons = " ".join(
            f'<button name="kind" value="{kind}">{label}</button>' for kind, label in KINDS.items()
        )
        return (
            f'<form method="post" action="/messages/{mail}/answer"><p><label>As the recipient '
            f'<input name="text" size="40" value="{escape(TEXTS["reply"])}"></label> {buttons}</p>'
            "</form>"
        )

    def mail_as_json(self, mail: str, source: bytes) -> None:
        message = parsed(source)
        headers = [[name, str(value)] for name, value in message.items()]
        self.json(
            asdict(self.mailbox.mails[mail])
            | {"headers": headers, "text": body(message, "plain"), "html": body(message, "html")}
        )

    def part(self, kind: str, source: bytes) -> None:
        if kind == "source":
            return self.answer(source, "text/plain; charset=utf-8", policy=MAIL_POLICY)
        content = body(parsed(source), "html" if kind == "html" else "plain")
        if content is None:
            return self.nothing()
        if kind == "html":
            beside = re.sub("(?i)<head[^>]*>", r'\g<0><base target="_blank">', content, count=1)
            return self.answer(beside.encode(), "text/html; charset=utf-8", policy=MAIL_POLICY)
        return self.answer(content.encode(), "text/plain; charset=utf-8", policy=MAIL_POLICY)

    def with_source(self, mail: str, then: Callable[[str, bytes], None]) -> None:
        source = self.mailbox.source(mail)
        if source is None:
            return self.nothing()
        then(mail, source)

    def page(self, title: str, content: str) -> None:
        document = (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)}</title><style>{STYLE}</style><body>{content}</body></html>"
        )
        self.answer(document.encode(), "text/html; charset=utf-8")

    def json(self, value: object) -> None:
        self.answer(json.dumps(value).encode() + b"\n", "application/json")

    def nothing(self) -> None:
        self.answer(b"not here\n", "text/plain", status=404)

    def answer(
        self, content: bytes, content_type: str, *, status: int = 200, policy: str = PAGE_POLICY
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: looking at a mail is no event."""
