"""Settings for one test."""

import pytest

from shared.settings import settings


class Configure:
    """configure(mail_from="a@acme.test"): from now on, for this test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, **values: str) -> None:
        for name, value in values.items():
            self._patch.setenv(f"WINBACK_{name.upper()}", value)
        settings.cache_clear()
