"""Which passwords are taken, and how each refusal is named."""

import pytest
from computor_auth_local.policy import LONGEST_BYTES, check_password, encoded

from computor_core.errors import InvalidError


def refusal(password: str, email: str | None = "ada.lovelace@informatics.example.org") -> str:
    with pytest.raises(InvalidError) as caught:
        check_password(password, minimum_length=10, email=email)
    (problem,) = caught.value.fields
    assert problem.path == "password"
    assert password not in caught.value.message + problem.message
    return problem.code


@pytest.mark.parametrize(
    "password",
    [
        "correct donkey battery staple",
        "Tr0ub4dor&3 is a strip",
        "ÄÖÜ ßind auch Zeichen",
        "🦒🐘🦓 in one password",
        "x" + "".join(chr(0x4E00 + n) for n in range(300)),
        "two  spaces and a trailing one ",
    ],
)
def test_good_passwords_are_taken_as_they_are(password: str) -> None:
    assert check_password(password, minimum_length=10, email="ada@example.org") == encoded(password)


def test_length_counts_characters_below_and_bytes_above() -> None:
    assert refusal("ninechars") == "too_short"
    assert refusal("🦒" * 9) == "too_short"
    longest = "".join(chr(ord("a") + n % 26) for n in range(LONGEST_BYTES))
    assert check_password("!" + longest[1:], minimum_length=10, email=None)
    assert refusal("!" + longest) == "too_long"


def test_what_is_no_text_is_refused() -> None:
    assert refusal("\ud800 lone surrogate") == "too_long"


@pytest.mark.parametrize(
    "password", ["aaaaaaaaaaaa", "abababababab", "12345678901234", "zyxwvutsrqponm", "0987654321"]
)
def test_repeating_and_counting_is_too_simple(password: str) -> None:
    assert refusal(password) in {"too_simple", "common"}


@pytest.mark.parametrize(
    "password",
    [
        "Password1234",
        "qwertyuiop",
        "QWERTZUIOP",
        "p@ssw0rd!!!!",
        "letmein2026!",
        "123iloveyou123",
        "1q2w3e4r5t6y",
    ],
)
def test_what_attackers_try_first_is_refused(password: str) -> None:
    assert refusal(password) == "common"


@pytest.mark.parametrize("password", ["my lovelace 1815", "INFORMATICS rocks", "hello ada.lovelace"])
def test_parts_of_the_address_are_refused(password: str) -> None:
    assert refusal(password) == "contains_email"


def test_short_parts_of_the_address_are_no_reason() -> None:
    assert check_password("an adamant refusal", minimum_length=10, email="ada@example.org")


def test_composed_and_decomposed_characters_are_the_same_password() -> None:
    assert encoded("Müller über alles") == encoded("Mu\u0308ller u\u0308ber alles")
