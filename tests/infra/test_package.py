"""What is deployed stays within its budgets."""

from infra import package


def test_a_cold_start_loads_only_what_it_needs():
    assert package.check_imports() == []
