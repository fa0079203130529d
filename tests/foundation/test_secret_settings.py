"""Secrets: from the environment or from Secrets Manager, whose last answer is kept while it is away."""

import json
import logging
import re

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from moto import mock_aws

from chalicelib.foundation import deadline, log, memory, secret_settings, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.foundation.secret_settings import MAX_AGE_SECONDS, RETRY_SECONDS

ARN = "fairgate/test"
FIRST, SECOND = "the-first-secret-that-secrets-manager-has", "the-second-secret-that-secrets-manager-has"

OUTAGES = {
    "slow connection": ConnectTimeoutError(endpoint_url="https://secretsmanager.test"),
    "slow answer": ReadTimeoutError(endpoint_url="https://secretsmanager.test"),
    "throttled": ClientError({"Error": {"Code": "ThrottlingException", "Message": "m"}}, "GetSecretValue"),
    "denied": ClientError({"Error": {"Code": "AccessDeniedException", "Message": "m"}}, "GetSecretValue"),
}


class SecretsManager:
    """The secret at moto, and an outage to turn on. `calls` are the requests made so far."""

    def __init__(self, monkeypatch) -> None:
        self.client = boto3.client("secretsmanager", region_name=settings.current().region)
        self.outage: Exception | None = None
        self.calls = 0
        client = secret_settings._client(settings.current().region)
        fetch = client.get_secret_value

        def get_secret_value(**arguments):
            self.calls += 1
            if self.outage is not None:
                raise self.outage
            return fetch(**arguments)

        monkeypatch.setattr(client, "get_secret_value", get_secret_value)

    def put(self, text: str) -> None:
        try:
            self.client.create_secret(Name=ARN, SecretString=text)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=ARN, SecretString=text)

    def put_jwt_secret(self, value: str) -> None:
        self.put(json.dumps({"jwt_secret": value}))


@pytest.fixture
def manager(monkeypatch, time):
    memory.forget_everything()
    with mock_aws(), settings.override(jwt_secret="", secrets_arn=ARN):
        secret_settings._client.cache_clear()
        yield SecretsManager(monkeypatch)
    secret_settings._client.cache_clear()
    memory.forget_everything()


@pytest.fixture(params=OUTAGES)
def outage(request) -> Exception:
    return OUTAGES[request.param]


def _stale_reads() -> float:
    return log.total("secrets_stale")


def _warnings(caplog) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == "secrets.stale"]


def test_a_secret_must_be_there_and_long():
    with settings.override(jwt_secret="short"), pytest.raises(settings.SettingsError, match="FAIRGATE_JWT_SECRET") as error:
        secret_settings.secret("jwt_secret")
    assert "short" not in str(error.value)


KEY = "a-secret-that-is-long-enough-to-sign-something"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("jwt_secret", "short-one", "FAIRGATE_JWT_SECRET must be set and have 32 characters or more"),
        ("jwt_secret", "", "FAIRGATE_JWT_SECRET must be set"),
        ("ticket_keys", "", "FAIRGATE_TICKET_KEYS must be set"),
        ("ticket_keys", KEY, "FAIRGATE_TICKET_KEYS: key 1 must be `id:secret`"),
        ("ticket_keys", f"k2:{KEY},k1:short-one", "FAIRGATE_TICKET_KEYS: the secret of key 2 must have 32 characters"),
        ("ticket_keys", f"k1:{KEY},k1:{KEY}", "FAIRGATE_TICKET_KEYS: the id of key 2 is used twice"),
        ("jwt_keys", "k1:short-one", "FAIRGATE_JWT_KEYS: the secret of key 1 must have 32 characters"),
        ("stripe_api_key", "pk_test_short-one", "FAIRGATE_STRIPE_API_KEY: must begin with sk_test_ or sk_live_ or "),
        ("stripe_webhook_secrets", "whsec_1, we_short-one", "FAIRGATE_STRIPE_WEBHOOK_SECRETS: must begin with whsec_"),
        ("smtp_url", "mail.short-one.example:25", "FAIRGATE_SMTP_URL: must begin with smtp:// or smtps:// or "),
    ],
)
def test_all_secrets_are_checked_before_one_is_used(manager, name, value, message):
    whole = {"jwt_secret": FIRST, "ticket_keys": f"k1:{KEY}"}
    good = {
        "jwt_keys": f"k1:{KEY}",
        "stripe_api_key": "rk_test_1",
        "stripe_webhook_secrets": "whsec_1,whsec_2",
        "smtp_url": "smtps://mail.example",
    }
    with settings.override(ticket_keys=""):
        manager.put(json.dumps(whole | {name: value}))
        with pytest.raises(settings.SettingsError, match=message) as error:
            secret_settings.optional_secret("stripe_api_key")
        assert "short-one" not in str(error.value)
        manager.put(json.dumps(whole | good))
        assert secret_settings.optional_secret("stripe_api_key") == "rk_test_1"
    with settings.override(**whole | {name: value}), pytest.raises(settings.SettingsError, match=message):
        secret_settings.check_secrets()
    with settings.override(**whole | good):
        secret_settings.check_secrets()


def test_a_wrong_new_secret_does_not_replace_the_last_one(manager, time):
    manager.put_jwt_secret(FIRST)
    assert secret_settings.secret("jwt_secret") == FIRST
    manager.put_jwt_secret("short-one")
    time.advance(MAX_AGE_SECONDS)
    assert secret_settings.secret("jwt_secret") == FIRST


def test_a_secret_missing_in_the_environment_is_in_secrets_manager(manager):
    manager.put(json.dumps({"jwt_secret": FIRST, "more": 7}))
    assert secret_settings.secret("jwt_secret") == FIRST
    assert secret_settings.optional_secret("stripe_api_key") == ""


def test_the_environment_is_preferred(manager):
    with settings.override(jwt_secret=SECOND):
        assert secret_settings.secret("jwt_secret") == SECOND
    assert manager.calls == 0


def test_a_secret_is_read_again_when_it_is_five_minutes_old(manager, time):
    manager.put_jwt_secret(FIRST)
    assert secret_settings.secret("jwt_secret") == FIRST
    manager.put_jwt_secret(SECOND)
    time.advance(MAX_AGE_SECONDS - 1)
    assert secret_settings.secret("jwt_secret") == FIRST
    assert manager.calls == 1
    time.advance(1)
    assert secret_settings.secret("jwt_secret") == SECOND
    assert manager.calls == 2


def test_the_last_value_is_used_while_secrets_manager_is_away(manager, time, outage):
    manager.put_jwt_secret(FIRST)
    assert secret_settings.secret("jwt_secret") == FIRST
    manager.outage, before = outage, _stale_reads()
    time.advance(MAX_AGE_SECONDS)
    assert secret_settings.secret("jwt_secret") == FIRST
    assert _stale_reads() == before + 1
    manager.put_jwt_secret(SECOND)
    manager.outage = None
    time.advance(RETRY_SECONDS)
    assert secret_settings.secret("jwt_secret") == SECOND


@pytest.mark.parametrize("text", [" ", "no JSON", "[]", '"text"', '{"jwt_secret": 7}', '{"jwt_secret": null}'])
def test_the_last_value_is_used_when_the_new_one_is_malformed(manager, time, text, caplog):
    manager.put_jwt_secret(FIRST)
    assert secret_settings.secret("jwt_secret") == FIRST
    manager.put(text)
    time.advance(MAX_AGE_SECONDS)
    assert secret_settings.secret("jwt_secret") == FIRST
    assert len(_warnings(caplog)) == 1


def test_an_outage_costs_one_call_until_the_next_try(manager, time, outage):
    manager.put_jwt_secret(FIRST)
    secret_settings.secret("jwt_secret")
    manager.outage = outage
    time.advance(MAX_AGE_SECONDS)
    for _ in range(3):
        assert secret_settings.secret("jwt_secret") == FIRST
    assert manager.calls == 2
    time.advance(RETRY_SECONDS)
    assert secret_settings.secret("jwt_secret") == FIRST
    assert manager.calls == 3


def test_a_long_outage_is_one_warning_in_five_minutes_without_the_secret(manager, time, outage, caplog):
    manager.put_jwt_secret(FIRST)
    secret_settings.secret("jwt_secret")
    manager.outage = outage
    time.advance(MAX_AGE_SECONDS)
    for _ in range(2 * MAX_AGE_SECONDS // RETRY_SECONDS):
        secret_settings.secret("jwt_secret")
        time.advance(RETRY_SECONDS)
    assert [record.age_seconds for record in _warnings(caplog)] == [MAX_AGE_SECONDS, 2 * MAX_AGE_SECONDS]
    assert FIRST not in str([vars(record) for record in caplog.records])


def test_without_a_last_value_the_error_names_the_setting_and_the_cause(manager, outage):
    manager.outage = outage
    with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_SECRETS_ARN: ") as error:
        secret_settings.optional_secret("stripe_api_key")
    assert secret_settings._cause(outage) in str(error.value)


def test_an_outage_without_a_last_value_ends_with_it(manager, outage):
    manager.outage = outage
    with pytest.raises(settings.SettingsError):
        secret_settings.secret("jwt_secret")
    manager.put_jwt_secret(FIRST)
    manager.outage = None
    assert secret_settings.secret("jwt_secret") == FIRST


def test_a_malformed_secret_is_not_repeated_in_the_error(manager):
    manager.put(json.dumps({"jwt_secret": [FIRST]}))
    with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_SECRETS_ARN: ") as error:
        secret_settings.secret("jwt_secret")
    assert FIRST not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_a_secret_that_is_not_text_cannot_be_read(manager):
    manager.client.create_secret(Name=ARN, SecretBinary=b"{}")
    with pytest.raises(settings.SettingsError, match="it is not text"):
        secret_settings.secret("jwt_secret")


def test_a_call_waits_for_seconds_only(manager):
    config = secret_settings._client(settings.current().region).meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 2, 2)
    assert config.region_name == settings.current().region


def test_another_secret_is_not_the_last_value_of_this_one(manager, outage):
    manager.put_jwt_secret(FIRST)
    secret_settings.secret("jwt_secret")
    manager.outage = outage
    with settings.override(secrets_arn="fairgate/other"), pytest.raises(settings.SettingsError):
        secret_settings.secret("jwt_secret")


def test_without_time_left_secrets_manager_is_not_asked(manager):
    manager.put_jwt_secret(FIRST)
    with deadline.within(0.1), pytest.raises(DeadlineExceeded):
        secret_settings.secret("jwt_secret")
    assert manager.calls == 0
    assert secret_settings.secret("jwt_secret") == FIRST


def test_without_time_left_the_last_secret_is_used(manager, time):
    manager.put_jwt_secret(FIRST)
    secret_settings.secret("jwt_secret")
    manager.put_jwt_secret(SECOND)
    time.advance(MAX_AGE_SECONDS)
    with deadline.within(0.1):
        assert secret_settings.secret("jwt_secret") == FIRST
    time.advance(RETRY_SECONDS)
    assert secret_settings.secret("jwt_secret") == SECOND


def test_settings_that_sound_like_secrets_are_secrets():
    names = {field.name for field in msgspec.structs.fields(settings.Settings) if re.search(r"_(secrets?|keys?)$", field.name)}
    assert set(settings.SECRETS) == {name for name in names if not name.endswith("_publishable_key")} | {
        "smtp_url",
        "apple_pass_certificate",
    }
