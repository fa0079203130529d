"""The languages of our emails and pages, and the choice of a language for a request."""

from typing import Literal, get_args

from chalicelib.edge.operation import Header

Language = Literal["en", "es"]
DEFAULT: Language = "en"

ACCEPT_LANGUAGE = Header("Accept-Language", "The languages that the caller reads, the best one first.")


def choose_language(accept_language: str | None) -> Language:
    """Return the supported language that the caller's Accept-Language prefers (RFC 9110, 12.5.4)."""
    weights: dict[Language, float] = {}
    for preference in (accept_language or "")[:1000].split(","):
        text, _, parameter = preference.partition(";")
        name = text.strip().lower().partition("-")[0]
        for language in get_args(Language):
            if name == language:
                weights[language] = max(weights.get(language, 0.0), _weight(parameter))
    best = max(weights, key=lambda language: weights[language], default=DEFAULT)
    return best if weights.get(best) else DEFAULT


def _weight(parameter: str) -> float:
    """Return a language's weight from a parameter such as `q=0.5`: 1 without the parameter, and 0 if the parameter is malformed."""
    name, _, value = parameter.replace(" ", "").partition("=")
    if name.lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
