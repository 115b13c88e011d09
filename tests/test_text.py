from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from clapometer.text import text_hash, text_key


def test_case_whitespace_and_composition_do_not_make_another_text() -> None:
    assert text_key("  A dog\tBARKS\n") == "a dog barks"
    assert text_key("cafe\u0301") == text_key("CAF\u00c9")
    assert text_key("a dog barks.") != text_key("a dog barks")


def test_the_hash_is_sha256_of_the_key() -> None:
    assert text_hash(" A  dog ") == hashlib.sha256(b"a dog").hexdigest()
    assert text_hash("a \ud800") == hashlib.sha256(b"a ?").hexdigest()


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    assert text_key(text_key(text)) == text_key(text)
