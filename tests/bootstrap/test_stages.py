"""One file serves all stages: it may have a Stripe price for each, and it may name a single stage."""

import pytest

from chalicelib.bootstrap_file import rollout
from chalicelib.catalog import service as catalog
from chalicelib.foundation import settings
from tests.bootstrap.conftest import EXAMPLE, ticket, valid_document
from tests.engines import create_tables

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture
def at_stage(store):
    """`at_stage("dev")` makes it the stage of the commands from now on."""
    overrides = []

    def change(stage):
        overrides.append(settings.override(stage=stage))
        overrides[-1].__enter__()
        create_tables()
        catalog.invalidate()

    yield change
    for override in reversed(overrides):
        override.__exit__(None, None, None)
    catalog.invalidate()


class TestPrices:
    PRICES = {"dev": "price_1", "prod": "price_2"}

    @pytest.fixture
    def path(self, write, tree):
        del tree["environment"]
        tree["ticket_types"]["fest-pass"]["stripe_price_id"] = self.PRICES
        return write(tree)

    @pytest.mark.parametrize(("stage", "price_id"), [("dev", "price_1"), ("prod", "price_2"), ("staging", None)])
    def test_a_stage_has_its_own(self, run, path, at_stage, stage, price_id):
        at_stage(stage)
        assert run("apply", path).code == 0
        assert catalog.load_current().tiers["fest-pass"].stripe_price_id == price_id
        assert run("apply", path).out == "version 1 is already served; nothing to do\n"

    def test_all_forms_are_valid_without_a_stage(self, run, write, tree):
        for name, prices in (("text", "price_3"), ("none", None), ("stages", self.PRICES), ("empty", {})):
            tree["ticket_types"][name] = ticket(name, stripe_price_id=prices)
        assert run("validate", write(tree)).code == 0

    def test_one_price_may_serve_several_stages(self, run, write, tree):
        tree["ticket_types"]["fest-pass"]["stripe_price_id"] = {"dev": "price_1", "local": "price_1"}
        assert run("validate", write(tree)).code == 0

    @pytest.mark.parametrize("prices", [{"Prod": "price_1"}, {"dev": None}, {"dev": ""}, ["price_1"], 7])
    def test_other_forms_are_faults(self, run, write, tree, prices):
        tree["ticket_types"]["fest-pass"]["stripe_price_id"] = prices
        result = run("validate", write(tree))
        assert "$.ticket_types.fest-pass.stripe_price_id: must be text of 1 to 255 characters, a JSON object (" in result.err
        assert '{"dev": "price_1", "prod": "price_2"}' in result.err

    @pytest.mark.parametrize("other", ["price_2", {"prod": "price_2"}])
    def test_two_ticket_types_with_the_same_are_a_fault(self, run, write, tree, path, other):
        tree["ticket_types"]["b"] = ticket("b", stripe_price_id=other)
        err = run("validate", write(tree)).err
        assert '$.ticket_types.b.stripe_price_id: duplicate: "price_2" is already a stripe_price_id of fest-pass' in err
        assert "1 fault;" in err


class TestEnvironment:
    @pytest.mark.parametrize("command", ["validate", "plan", "apply", "drift"])
    def test_another_stage_is_a_fault_that_names_both(self, run, write, tree, at_stage, command):
        at_stage("dev")
        tree["events"]["fest"]["venue"] = 5
        result = run(command, write(tree | {"environment": "production"}))
        assert result.code == 1
        assert '$.environment: is "production", but the stage is "dev"' in result.err
        assert "2 faults" in result.err

    @pytest.mark.parametrize(
        ("environment", "stage"),
        [
            ("prod", "prod"),
            ("production", "prod"),
            ("Production", "prod"),
            ("development", "dev"),
            ("staging", "staging"),
            ("", "prod"),
            (None, "prod"),
            ("production", "local"),
            ("production", "test"),
            ("production", "test-7"),
        ],
    )
    def test_the_same_stage_is_accepted_and_stages_without_buyers_accept_any(self, run, write, tree, at_stage, environment, stage):
        at_stage(stage)
        assert run("validate", write(tree | {"environment": environment})).code == 0

    @pytest.mark.parametrize(
        ("environment", "stage"), [("test", "prod"), ("dev", "prod"), ("prod", "dev"), ("prod", "prod-2"), ("production", "testing")]
    )
    def test_other_names_are_other_stages(self, run, write, tree, at_stage, environment, stage):
        at_stage(stage)
        assert f'is "{environment}", but the stage is "{stage}"' in run("validate", write(tree | {"environment": environment})).err

    @pytest.mark.parametrize("stage", ["local", "dev", "prod"])
    def test_the_file_of_the_repository_serves_all_stages(self, run, at_stage, stage):
        at_stage(stage)
        assert run("validate", EXAMPLE).code == 0

    def test_a_rollback_takes_any_version_of_its_stage(self, run, write, tree, at_stage):
        at_stage("dev")
        rollout.apply(valid_document(tree | {"environment": "production"}), "ann", 0)
        del tree["environment"]
        run("apply", write(tree))
        assert "applied as version 3" in run("rollback", 1).out
