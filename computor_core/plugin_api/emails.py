"""How two e-mail addresses are compared, everywhere."""

from __future__ import annotations

import unicodedata


def email_key(address: str) -> str:
    """The form of an e-mail address under which it is unique and looked up.

    Surrounding spaces, letter case and compatibility forms make no difference (Unicode NFKC and
    full case folding). Tags and dots in the local part do: to most providers they are different
    mailboxes, and treating them as one would hand accounts over.
    """
    folded = unicodedata.normalize("NFKC", address.strip()).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
