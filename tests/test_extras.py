import pytest

from promptknn.errors import EnvironmentMissingError
from promptknn.extras import check_package


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    check_package("numpy", "report", "A sum")
    with pytest.raises(
        EnvironmentMissingError,
        match=r"^A sum needs the Python package no_such: install promptknn's extra `report`\.$",
    ):
        check_package("no_such", "report", "A sum")
