"""Lists as CSV: what a spreadsheet would compute stays text."""

import csv
import io

import pytest

from chalicelib.edge.csv_replies import csv_text, unescaped


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_text_is_a_formula(text):
    _, [cell] = csv.reader(io.StringIO(csv_text(["name"], [[text]]), newline=""))
    assert (cell[0], cell.replace("'", "")) == ("'", text)


@pytest.mark.parametrize("text", ["Ada;=1+1", "Ada; +1", 'Ada;"=1+1', ";;-1", "Ada\n@SUM(A1)", "Ada\r\n=1", "Ada\t=1", "Ada;＝1"])
def test_no_text_is_a_formula_for_a_spreadsheet_that_splits_at_semicolons(text):
    for separator in ";\t":
        rows = csv.reader(io.StringIO(csv_text(["id", "name"], [["o-1", text]]), newline=""), delimiter=separator)
        cells = [cell.lstrip(' "') for row in rows for cell in row]
        assert [cell for cell in cells if cell.startswith(tuple("=+-@＝"))] == [], cells


def test_numbers_and_other_texts_stay_as_they_are():
    text = csv_text(["name", "cents", "left"], [['Ann "A", x; y-z\n\nb', -500, None]])
    assert text == 'name,cents,left\r\n"Ann ""A"", x; y-z\n\nb",-500,\r\n'


@pytest.mark.parametrize("cell", ["=1+1", "a;=1", "\t=1", "-5 C", '" =1', "'t Hooft", "Ada", "", "a\n@b"])
def test_what_was_escaped_can_be_read_again(cell):
    [[written]] = csv.reader(io.StringIO(csv_text(None, [[cell]]), newline=""))
    assert unescaped(written) == cell
