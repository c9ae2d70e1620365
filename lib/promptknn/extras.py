"""Packages of promptknn's extras, which may not be installed."""

from importlib.util import find_spec

from promptknn.errors import EnvironmentMissingError


def check_package(package: str, extra: str, what: str) -> None:
    """Check that a package is there, without importing it.

    Args:
        package: its name.
        extra: the extra that brings it.
        what: needs it, as the sentence begins.

    Raises:
        EnvironmentMissingError: it is not installed.
    """
    if find_spec(package) is None:
        raise EnvironmentMissingError(
            f"{what} needs the Python package {package}: install promptknn's extra `{extra}`."
        )
