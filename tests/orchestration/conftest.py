"""One installation for each test file."""

import pytest
from installation import installation


@pytest.fixture(scope="module")
def sandbox():
    with installation() as made:
        yield made
