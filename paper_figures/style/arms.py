"""One colour per arm in all figures, a dash pattern per suffix, and names for readers."""

from __future__ import annotations

import hashlib

import seaborn as sns

COLOURS = {  # Okabe and Ito's palette, which colour-blind readers can tell apart, and a few darker tones
    "pretrained-cg": "#0072b2",
    "pretrained-adam": "#56b4e9",
    "gaussian-cg": "#d55e00",
    "glorot-cg": "#e69f00",
    "glorot-adam": "#009e73",
    "logistic-pca": "#b8558f",
    "pca": "#7f3c8d",
    "lsa": "#994455",
    "mean-image": "#666666",
    "sparse-nag": "#8c2d04",
    "sparse-hf": "#1b1b1b",
    "sparse-kfac": "#a6761d",
    "sparse-adam": "#66a61e",
    "glorot-nag": "#e7298a",
    "he-adam": "#cc3311",
    "he-muon": "#7570b3",
    "pretrained-nag": "#2166ac",
    "pretrained-hf": "#08306b",
}
DASHES = [(0, (5, 1.2)), (0, (4, 1, 1, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
WORDS = {
    "cg": "CG",
    "hf": "HF",
    "nag": "NAG",
    "adam": "Adam",
    "gaussian": "Gaussian",
    "glorot": "Glorot",
    "2d": "2-D code",
    "l2": "L2",
    "he": "He, ReLU",  # but with Muon, see NAMES
    "kfac": "K-FAC",
    "lbfgs": "L-BFGS",
    "sgd": "SGD",
    "muon": "Muon",
}
NAMES = {"pca": "PCA", "logistic-pca": "logistic PCA", "mean-image": "mean image", "lsa": "LSA"}
NAMES |= {"he-muon": "He, GELU, Muon"}


def arm(variant: str) -> str:
    """The arm that a variant belongs to: a known one it starts with, else its words without digits.

    A data set in front, as in `rcv1/pretrained-cg`, does not matter, here or below.
    """
    variant = variant.rpartition("/")[2]
    known = [name for name in COLOURS if f"{variant}-".startswith(f"{name}-")]
    words = [word for word in variant.split("-") if not any(letter.isdigit() for letter in word)]
    return max(known, key=len) if known else "-".join(words) or variant


def colour(variant: str) -> str:
    """The colour of the variant's arm in every figure; of an unknown arm, a hue that its name decides."""
    name = arm(variant)
    return COLOURS.get(name) or sns.husl_palette(1, h=_hash(name) % 360 / 360, l=0.5).as_hex()[0]


def dashes(variant: str) -> str | tuple:
    """Solid for an arm as it stands, a dash pattern that the suffix decides for its variants."""
    suffix = _suffix(variant)
    return DASHES[_hash(suffix) % len(DASHES)] if suffix else "-"


def label(variant: str) -> str:
    """The variant's name for readers."""
    name, suffix = arm(variant), _suffix(variant)
    if name in NAMES and suffix.isdigit():
        return f"{NAMES[name]}-{suffix}"
    words = [NAMES[name]] if name in NAMES else _words(name)
    return ", ".join([*words, *_words(suffix)])


def _suffix(variant: str) -> str:
    return variant.rpartition("/")[2].removeprefix(arm(variant)).strip("-")


def _words(text: str) -> list[str]:
    """`rate.01` becomes `rate .01`: a number stands apart from its name; `100-50-6` are widths and stay."""
    if text.replace("-", "").isdigit():
        return [text]
    return [WORDS.get(word, word.replace(".", " .", 1)) for word in text.split("-") if word]


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)
