"""Amounts and times in the language of a document."""

from typing import get_args

import pytest

from chalicelib.addons.documents.wording import wording_in
from chalicelib.edge.languages import DATE_WORDS, Language


@pytest.mark.parametrize(
    ("language", "cents", "currency", "text"),
    [
        ("en", 123456789, "EUR", "1,234,567.89 EUR"),
        ("es", 123456789, "EUR", "1.234.567,89 EUR"),
        ("en", -5, "USD", "-0.05 USD"),
        ("en", 5000, "JPY", "5,000 JPY"),
        ("es", 1234567, "KWD", "1.234,567 KWD"),
        ("en", 0, "EUR", "0.00 EUR"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(language, cents, currency, text):
    assert wording_in(language).amount(cents, currency) == text


def test_a_time_is_local_to_its_timezone():
    summer, winter = 1_780_315_200, 1_796_126_400  # 2026-06-01 and 2026-12-01, 12:00 UTC
    assert wording_in("en").time(summer, "America/New_York") == "Monday, 1 June 2026, 8:00 AM EDT"
    assert wording_in("en").time(winter, "America/New_York") == "Tuesday, 1 December 2026, 7:00 AM EST"
    assert wording_in("es").time(summer, "Nowhere/Known") == "lunes, 1 de junio de 2026, 12:00 UTC"
    assert wording_in("en").time(summer, "UTC") == "Monday, 1 June 2026, 12:00 PM UTC"
    assert wording_in("es").time(summer, "America/Sao_Paulo") == "lunes, 1 de junio de 2026, 09:00 UTC-03"


@pytest.mark.parametrize("language", get_args(Language))
def test_each_language_has_all_names(language):
    words = wording_in(language)
    assert words.language == language
    june = 1780315200  # a Monday
    days = {words.day(june + number * 86_400, "UTC").partition(",")[0] for number in range(31)}
    dates = [words.day(june + number * 31 * 86_400, "UTC") for number in range(12)]
    months = {month for date in dates for month in DATE_WORDS[language].months if month in date}
    assert (len(days), len(months)) == (7, 12)
