"""The word stems of an English text."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from repro.errors import UserError

WORD = re.compile(r"[a-z]{2,}")  # applied to lower case: digits, points and single letters are no words
SIGN_OFF = {"reuter"}  # the agency signs nearly every story with it
SUBJECTS = {
    "bill",
    "fire",
    "interest",
    "mill",
    "mine",
    "system",
}  # stop words to others, subjects of the news


def stemming() -> Callable[[str], list[str]]:
    """A function from a text to its stems in order: words in lower case, stop words left out, Porter's stems.

    The stop words are scikit-learn's 318, less six that are subjects of business news (interest rates, say),
    and the agency's sign-off "Reuter"; they are left out before stemming. The stemmer is Snowball's `porter`,
    which is frozen, unlike its `english`.

    Raises:
        UserError: a package is not installed.

    """
    try:
        import snowballstemmer
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    except ImportError as error:
        raise UserError(
            f"stems need the packages snowballstemmer and scikit-learn ({error}): install them"
        ) from error
    stem = functools.cache(snowballstemmer.stemmer("porter").stemWord)
    stop_words = ENGLISH_STOP_WORDS - SUBJECTS | SIGN_OFF
    return lambda text: [stem(word) for word in WORD.findall(text.lower()) if word not in stop_words]
