"""What is said about a guest: checked against the options of their ticket's tier, and kept as it was asked."""

from collections.abc import Mapping, Sequence

from chalicelib.catalog import service as catalog
from chalicelib.catalog.answers import Question, SentAnswer, check_required, check_values, read_value
from chalicelib.catalog.custom_options import CustomOption, in_order
from chalicelib.foundation.errors import InvalidInput
from chalicelib.tickets.seats.model import GuestAnswer


def guest_options(tier_id: str) -> list[CustomOption]:
    """What is asked of each guest with a ticket of this tier, in order."""
    return [option for option in _options(tier_id) if option.per == "guest"]


def read_answers(tier_id: str, sent: Mapping[str, SentAnswer]) -> tuple[dict[str, str], list[GuestAnswer]]:
    """The answers that no option asks for, which are free-form texts, and those to options.

    A guest may answer what the buyer was asked too. Raises AnswersRequired, and InvalidInput with all that cannot be: other answers than an
    option allows; and where guests are asked something, answers to anything else.
    """
    options = _options(tier_id)
    questions = [
        Question(option=option, path=_path(option.id), sent=sent.get(option.id))
        for option in options
        if option.per == "guest" or option.id in sent
    ]
    check_required([question for question in questions if question.option.per == "guest"])
    answered = [question for question in questions if question.is_answered]
    check_values(answered)
    free_form = _free_form(sent, options)
    return free_form, [
        GuestAnswer(
            option_id=question.option.id,
            label=question.option.label,
            option_type=question.option.option_type,
            choices=question.option.choices,
            value=read_value(question),
        )
        for question in answered
    ]


def _free_form(sent: Mapping[str, SentAnswer], options: Sequence[CustomOption]) -> dict[str, str]:
    ids = {option.id for option in options}
    texts = {}
    for name, value in sent.items():
        if name in ids:
            continue
        if any(option.per == "guest" for option in options):
            raise InvalidInput(
                "The package has no question with this id. See the options of the package for its questions.", path=_path(name)
            )
        if not isinstance(value, str):
            raise InvalidInput("The package has no question with this name, so its answer must be a text.", path=_path(name))
        texts[name] = value
    return texts


def _options(tier_id: str) -> list[CustomOption]:
    tier = catalog.find_snapshot(lambda found: tier_id in found.tiers).tiers.get(tier_id)
    return in_order(tier.options) if tier is not None else []


def _path(name: str) -> str:
    return f"$.answers.{name}"
