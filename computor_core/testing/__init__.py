"""The conformance kit: what an implementation of a contract must pass.

An author subclasses a suite in a test module and overrides its fixtures; every promise of the
contract is one test. Needs the extra ``computor-core[testing]``.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{suite}" for suite in ("auth", "engine", "runner", "storage")),
    *(f"{__name__}.git_{part}" for part in ("cases", "commits", "reading", "repositories")),
)
