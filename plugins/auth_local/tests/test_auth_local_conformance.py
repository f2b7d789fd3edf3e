"""Local accounts keep every promise of the sign-in contract, on each database."""

from computor_core.testing.auth import AuthConformance


class TestLocalAccounts(AuthConformance):
    """The fixture ``accounts`` stands in conftest."""

    accounts = None  # type: ignore[assignment]
