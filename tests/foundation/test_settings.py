"""Settings come from the environment, and name their faults."""

import re

import msgspec
import pytest

from chalicelib.foundation import settings
from infra.local import environment
from tests.repository import ROOT


def test_defaults_need_no_environment():
    assert settings.read({}).hold_seconds == 180
    assert settings.read({}).identity == "jwt"
    assert settings.read({}).payment_simulation == "off"


def test_text_becomes_what_the_setting_is():
    read = settings.read({"FAIRGATE_HOLD_SECONDS": "5", "FAIRGATE_STAGE": "dev", "HOLD_SECONDS": "9"})
    assert (read.hold_seconds, read.stage) == (5, "dev")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLD_SECONDS", "soon"),
        ("HOLD_SECONDS", "0"),
        ("HOLD_SECONDS", "-1"),
        ("HOLD_SECONDS", "1.5"),
        ("HOLD_SECONDS", ""),
        ("BEACON_MIRRORS", ""),
        ("IDENTITY", "none"),
        ("PAYMENT_SIMULATION", "yes"),
        ("STAGE", "Prod Stage"),
        ("TIER_PURCHASE_LIMIT", "51"),
    ],
)
def test_a_fault_names_its_variable(name, value):
    with pytest.raises(settings.SettingsError, match=f"^FAIRGATE_{name}: "):
        settings.read({f"FAIRGATE_{name}": value, "FAIRGATE_REGION": "eu-central-1"})


def test_a_fault_says_what_is_allowed():
    with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_HOLD_SECONDS: must be a whole number from 1 to 2,678,400, not 'soon'$"):
        settings.read({"FAIRGATE_HOLD_SECONDS": "soon"})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("HOLD_SECOND", "HOLD_SECONDS"), ("STAEG", "STAGE"), ("JWT_SECRETS", "JWT_SECRET"), ("hold_seconds", "[A-Z_]+"), ("", "[A-Z_]+")],
)
def test_a_name_that_no_setting_has_is_a_fault_with_the_nearest_one(name, nearest):
    with pytest.raises(settings.SettingsError, match=f"^FAIRGATE_{name} is not a setting; the nearest name is FAIRGATE_{nearest}$"):
        settings.read({f"FAIRGATE_{name}": "7", "FAIRGATE_STAGE": "dev"})


def test_a_choice_says_what_it_is_between():
    with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_IDENTITY: must be one of demo, jwt, not 'none'$"):
        settings.read({"FAIRGATE_IDENTITY": "none"})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("IDENTITY", "demo", "must be jwt in stage prod, not 'demo': "),
        ("PAYMENT_SIMULATION", "on", "must be off in stage prod, not 'on': "),
        ("PAYMENT_PROVIDER", "simulated", "must be auto or .+ in stage prod, not 'simulated': "),
        ("WEBHOOK_TARGETS", "local", "must be public in stage prod, not 'local': "),
        ("EMAIL_VERIFICATION", "later", "must be required in stage prod, not 'later': "),
    ],
)
def test_production_refuses_what_is_for_tests_only(name, value, allowed):
    with pytest.raises(settings.SettingsError, match=f"^FAIRGATE_{name}: {allowed}.+"):
        settings.read({"FAIRGATE_STAGE": "prod", f"FAIRGATE_{name}": value})
    assert settings.read({"FAIRGATE_STAGE": "dev", f"FAIRGATE_{name}": value})


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
        ({"FAIRGATE_REGION": "sa-east-1", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "sa-east-1"),
        ({"FAIRGATE_REGION": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"FAIRGATE_REGION": "", "AWS_REGION": ""}, "us-east-1"),
    ],
)
def test_the_region_is_that_of_the_aws_environment_unless_it_is_set(environment, region):
    assert settings.read(environment).region == region


@pytest.mark.parametrize("name", settings.DEPRECATED)
def test_a_deprecated_setting_is_ignored(name):
    assert name not in {field.name for field in msgspec.structs.fields(settings.Settings)}
    assert settings.read({f"FAIRGATE_{name.upper()}": "anything"}) == settings.read({})


def test_production_needs_no_other_setting():
    read = settings.read({"FAIRGATE_STAGE": "prod"})
    assert (read.identity, read.payment_simulation, read.payment_provider) == ("jwt", "off", "auto")


@pytest.mark.parametrize(
    ("name", "in_production"),
    [("IDENTITY", "jwt"), ("PAYMENT_SIMULATION", "off"), ("EMAIL_VERIFICATION", "required"), ("WEBHOOK_TARGETS", "public")],
)
def test_production_refuses_the_lax_defaults_of_a_local_run(name, in_production):
    assert (name.lower(), environment.LOCAL_DEFAULTS[name]) in settings.NOT_IN_PRODUCTION
    assert settings.values_in_production(name.lower()) == [in_production]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("all", settings.ADDONS),
        ("none", ()),
        ("waitlist", ("waitlist",)),
        ("waitlist, documents", ("documents", "waitlist")),
    ],
)
def test_the_stage_names_its_addons(value, names):
    assert settings.read({"FAIRGATE_ADDONS": value}).addon_names == names


@pytest.mark.parametrize("value", ["", "waitlists", "waitlist,,reports", "all,reports", "none, reports"])
def test_an_unknown_addon_is_refused_with_the_known_ones(value):
    names = "documents, images, messages, outgoing_webhooks, packages, reports, waitlist, wallets"
    with pytest.raises(settings.SettingsError) as refusal:
        settings.read({"FAIRGATE_ADDONS": value})
    assert str(refusal.value) == f"FAIRGATE_ADDONS: must be text (all, none, or names with commas: {names}), not {value!r}"


def test_each_setting_is_read():
    """By its attribute, by its name, or by a rate limit."""
    files = [path for folder in ("chalicelib", "infra") for path in sorted((ROOT / folder).rglob("*.py"))]
    read = {name for path in files for name in re.findall(r"\.(\w+)", path.read_text())}
    for path in files:
        if path.name != "settings.py":
            read |= set(re.findall(r'"(\w+)"', path.read_text()))
            read |= {f"limit_{name}" for name in re.findall(r'RateLimit\("(\w+)"', path.read_text())}
    assert [field.name for field in msgspec.structs.fields(settings.Settings) if field.name not in read] == []
