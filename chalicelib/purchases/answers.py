"""Check buyers' answers to the custom options of tiers when a checkout opens. Each answer is stored with its question.

The tiers come from this instance's copy of the catalog, so a checkout without questions needs no extra read from the store.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import Question, SentAnswer, check_required, check_values, in_option_order, read_value
from chalicelib.catalog.model import Tier
from chalicelib.foundation.errors import InvalidInput
from chalicelib.purchases.checkout_page import CheckoutOptions
from chalicelib.purchases.model import OptionAnswer

# The largest size of responses and attendees together, as JSON. The first limit applies to free-form responses, and the second applies
# to answers to the questions of tiers.
MAX_DETAILS_BYTES = 4 * 1024
MAX_ANSWERS_BYTES = 64 * 1024

SentAnswers = dict[Annotated[str, Meta(max_length=64)], SentAnswer]


class _TierQuestion(Question, frozen=True, kw_only=True):
    """A question that a tier of the purchase asks."""

    tier_id: str


def with_answers(options: CheckoutOptions, quantities: Sequence[tuple[str, int]]) -> CheckoutOptions:
    """Return the checkout options with checked answers. `quantities` lists (tier id, number of tickets) in the order of the purchase.

    If the tiers have no questions, responses are free-form texts and are kept unchanged. Raises AnswersRequired. Raises InvalidInput for
    invalid answers, for answers to questions that the tiers do not ask, and for answers that are too large.
    """
    if options.sent is None:  # already checked
        return options
    responses, by_ticket = options.sent.responses, options.sent.by_ticket
    snapshot = catalog.find_snapshot(lambda found: all(tier_id in found.tiers for tier_id, _ in quantities))
    tiers = [(snapshot.tiers.get(tier_id), quantity) for tier_id, quantity in quantities]
    questions = list(_questions(tiers, responses, by_ticket))
    if questions:
        _check_paths(questions, responses, by_ticket)
        details = replace(options.details, answers=_read_answers(questions))
        _check_size({"responses": details.answers, "attendees": details.attendees}, MAX_ANSWERS_BYTES)
    else:
        _check_paths([], {}, by_ticket)
        details = replace(options.details, responses=_free_form(responses))
        _check_size({"responses": details.responses, "attendees": details.attendees}, MAX_DETAILS_BYTES)
    return replace(options, details=details, sent=None)


def _questions(
    tiers: Sequence[tuple[Tier | None, int]], responses: SentAnswers, by_ticket: Sequence[SentAnswers]
) -> Iterator[_TierQuestion]:
    first = 1
    for tier, quantity in tiers:
        for option in in_option_order(tier.options) if tier is not None else ():
            assert tier is not None
            if option.per == "purchase":
                path = f"$.responses.{option.id}"
                yield _TierQuestion(tier_id=tier.id, option=option, path=path, sent=responses.get(option.id))
            elif option.per == "ticket":
                for number in range(first, first + quantity):
                    path = _ticket_path(number, option.id)
                    sent = by_ticket[number - 1].get(option.id) if number <= len(by_ticket) else None
                    yield _TierQuestion(tier_id=tier.id, option=option, path=path, sent=sent, ticket=number)
        first += quantity


def _check_paths(questions: Sequence[Question], responses: SentAnswers, by_ticket: Sequence[SentAnswers]) -> None:
    """Raise InvalidInput for an answer at a path at which no question is asked."""
    question_paths = {question.path for question in questions}
    paths = [f"$.responses.{option_id}" for option_id in responses]
    paths += [_ticket_path(number, option_id) for number, sent in enumerate(by_ticket, start=1) for option_id in sent]
    for path in paths:
        if path not in question_paths:
            raise InvalidInput("The package has no question with this id. See the options of the package for its questions.", path=path)


def _read_answers(questions: Sequence[_TierQuestion]) -> list[OptionAnswer]:
    check_required(questions)
    answered = [question for question in questions if question.is_answered]
    check_values(answered)
    return [
        OptionAnswer(
            option_id=question.option.id,
            label=question.option.label,
            option_type=question.option.option_type,
            choices=question.option.choices,
            value=read_value(question),
            tier_id=question.tier_id,
            ticket=question.ticket,
        )
        for question in answered
    ]


def _free_form(responses: SentAnswers) -> dict[str, str]:
    texts = {name: sent for name, sent in responses.items() if isinstance(sent, str)}
    for name in responses:
        if name not in texts:
            raise InvalidInput("These tickets have no questions, so the value must be text.", path=f"$.responses.{name}")
    return texts


def _check_size(parts: Mapping[str, Any], max_bytes: int) -> None:
    """Raise InvalidInput, with the path of the largest part, if the parts together have more than `max_bytes` bytes."""
    sizes = {name: len(msgspec.json.encode(part)) for name, part in parts.items()}
    if sum(sizes.values()) > max_bytes:
        message = f"`responses` and `attendees` may have at most {max_bytes // 1024} KB together. Shorten them."
        raise InvalidInput(message, path=f"$.{max(sizes, key=lambda name: sizes[name])}")


def _ticket_path(number: int, option_id: str) -> str:
    return f"$.attendees[{number - 1}].responses.{option_id}"
