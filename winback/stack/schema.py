"""Migrations and topics, side by side; ends when both are done. The supervisor tries again when it fails.

python -m winback.stack.schema
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from shared.errors import Misconfigured, WinbackError


def main() -> int:
    from shared import db, kafka

    with ThreadPoolExecutor(2) as both:
        migrated, created = both.submit(db.migrate), both.submit(kafka.create_topics)
    try:
        print(f"applied {len(migrated.result())} migrations, created {len(created.result())} topics")
    except WinbackError as error:
        print(f"winback: {error}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
