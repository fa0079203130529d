"""Lists as CSV: what a spreadsheet would compute stays text."""

import csv
import io

import pytest

from chalicelib.addons.reports.csv_replies import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_text_is_a_formula(text):
    _, [cell] = csv.reader(io.StringIO(csv_text(["name"], [[text]]), newline=""))
    assert cell == f"'{text}"


def test_numbers_and_other_texts_stay_as_they_are():
    text = csv_text(["name", "cents", "left"], [['Ann "A", x', -500, None]])
    assert text == 'name,cents,left\r\n"Ann ""A"", x",-500,\r\n'
