"""What the tests of rendering share."""

import pytest

from generator.core import Engines


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The engines of one process, which render what every test asks for, as in a render process."""
    return Engines()
