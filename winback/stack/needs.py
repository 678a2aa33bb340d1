"""Does the embedded stack need packages here (requirements/stack.txt), or has the system what it
needs?

python -m winback.stack.needs    prints what the system lacks; exit code 1 when it lacks something
"""

import shutil
import sys

from winback.stack import jars, java, postgres


def lacking() -> list[str]:
    """In the order of the question; empty when the system has all of it."""
    found = {
        f"Java {java.LEAST} or newer": java.on_system() is not None,
        f"PostgreSQL {postgres.LEAST} or newer": bool(postgres.on_system()),
        "Maven": shutil.which("mvn") is not None or jars.are_there(),
    }
    return [name for name, there in found.items() if not there]


if __name__ == "__main__":
    print("\n".join(lacking()))
    sys.exit(1 if lacking() else 0)
