"""The licenses of dependencies, and secrets in files. `make check` also checks the templates of all stages."""

import re

from infra import lint


def test_the_licenses_of_all_dependencies_are_allowed():
    assert lint.license_problems() == []


def test_a_license_that_nobody_has_allowed_is_named(monkeypatch):
    monkeypatch.setattr(lint, "ALLOWED_LICENSES", re.compile("nothing"))
    problems = lint.license_problems()
    assert "boto3: its license is 'Apache-2.0'" in problems  # from Python's index
    assert "preact: its license is 'MIT'" in problems  # from npm's


def test_a_secret_in_a_file_is_named_with_its_line(tmp_path):
    file = tmp_path / "settings.py"
    file.write_text("region = 'eu-central-1'\nkey = '" + "sk_live_" + 24 * "x" + "'\n")
    assert lint.secret_problems([file]) == [f"{file}, line 2: Stripe Access Key"]
