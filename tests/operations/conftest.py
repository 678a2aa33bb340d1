"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest

from shared.settings import settings
from tests.operations.configured import Configure
from tests.stack_fixtures import Stack


@pytest.fixture
def configure(stack: Stack) -> Iterator[Configure]:
    with pytest.MonkeyPatch.context() as patch:
        yield Configure(patch)
    settings.cache_clear()
