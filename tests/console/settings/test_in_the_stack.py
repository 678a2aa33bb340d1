"""From a threshold that is typed to signals: what the dry run promised is what the detector finds
after saving; a test digest reaches whoever asked. Every service as a real process.
"""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from services.signals.console.settings import detection_form
from shared.domain.thresholds import DEFAULTS
from shared.wording import number_style
from tests.eventually import eventually
from tests.stack_fixtures import Mailbox, Stack

ORGANIZATION = "dry-run"
AS_OF = date(2026, 11, 20)
WAIT_SECONDS = 60.0


def order_lines() -> str:
    """Thirty accounts that stop at all ages; every third also lets a size go, and every fourth buys
    nothing small.
    """
    lines = ["order,account,account_name,ordered_on,product,od,grade,quantity,revenue"]
    for account in range(30):
        for month in range(10):
            day = AS_OF - timedelta(days=9 * account + 30 * month)
            sizes = ["9 5/8"] if account % 4 == 0 else ["5 1/2", "9 5/8"]
            if account % 3 == 0 and month > 4 - account % 2:
                sizes.append("7")
            lines += [
                f"SO-{account}-{month}-{place},A{account},Name "
                f"{account},{day},CSG,{od},J55,1,{9000 + 100 * account}.00"
                for place, od in enumerate(sizes)
            ]
    return "\n".join(lines) + "\n"


def test_what_the_dry_run_promises_is_what_the_detector_finds_after_saving(
    services: Stack, mailbox: Mailbox, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(order_lines())
    email = "ana@dry-run.example"
    zone = ("--currency", "USD", "--timezone", "America/Chicago")
    services.winback(
        "organization", "create", ORGANIZATION, "--name", "Dry Run", *zone, "--no-schedules"
    )
    services.winback("member", "add", ORGANIZATION, email, "--role", "owner", "--no-digest")
    services.winback("import", "orders", str(file), "--organization", ORGANIZATION)
    services.winback("run", "--organization", ORGANIZATION, "--as-of", AS_OF.isoformat(), "--wait")

    with httpx.Client(base_url=services.service("console")["url"], timeout=60) as client:
        client.post(urlsplit(services.winback("sign-in", email).stdout.strip()).path)
        settings = f"/o/{ORGANIZATION}/settings"

        def post(path: str, sent: dict[str, str]) -> httpx.Response:
            form = re.search(r'name="csrf" value="([^"]+)"', client.get(settings).text)
            assert form is not None
            return client.post(path, data=sent | {"csrf": form[1], "version": "1"})

        sent = detection_form.typed_of(DEFAULTS, number_style("USD")) | {
            "dormant.gap_days": "75",
            "dormant.minimum_lifetime_revenue_cents": "100,000",
            "lapse.enabled": "on",
            "lapse.lapse_days": "45",
            "lapse.minimum_revenue_cents": "20,000",
            "cherry_picking.enabled": "on",
            "cherry_picking.share_percent": "60",
        }
        page = post(f"{settings}/try", sent).text
        promised = {
            type_: int(found[1].replace(",", ""))
            for type_ in ("dormant", "lapse", "cherry_picking")
            if (found := re.search(r": ([\d,]+) flagged<", page.split(f'id="dry-{type_}"')[1]))
            is not None
        }
        opened, closed = re.findall(r"([\d,]+) signals? would open, ([\d,]+) would close", page)[0]
        before = active(services)
        assert post(settings, sent).status_code == 303
        services.winback("wait", "--organization", ORGANIZATION, "--timeout", "60")
        after = active(services)

        assert all(number > 0 for number in promised.values()) and len(promised) == 3
        assert promised == {type_: sum(1 for one in after if one[0] == type_) for type_ in promised}
        assert (int(opened), int(closed)) == (len(after - before), len(before - after))

        post(f"{settings}/digest/test", {})
        mails = eventually(lambda: mailbox.mails(email), what="the digest")
        accounts = len({account for _, account, _ in after})
        assert f"{accounts} accounts to call" in mails[0]["subject"]
        shown = client.get(f"{settings}/digest").text
        assert "digest, asked for" in shown and email in shown


def active(services: Stack) -> set[tuple[str, str, str]]:
    """(type, account, combo) of each active signal."""
    lines = services.winback(
        "signals", "--organization", ORGANIZATION, "--active", "--json"
    ).stdout.splitlines()
    return {
        (one["type"], one["account"], json.dumps(one.get("combo")))
        for one in map(json.loads, lines)
    }
