"""The measure of a cold start and its floor."""

from bench import cold_start


def test_both_apps_start_and_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(cold_start, "ROUNDS", 1)
    floor, figure = cold_start.take_measures(tmp_path)
    assert floor.unit == figure.unit == "ms"
    assert figure.floor == ("plain Chalice and boto3", floor.value)
    assert figure.goal == 1.25
