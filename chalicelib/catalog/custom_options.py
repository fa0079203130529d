"""Custom options: the questions that a tier asks buyers and their guests, and the answers."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.edge.languages import Language, in_language
from chalicelib.foundation.errors import InvalidInput

OptionType = Literal["boolean", "multi_select", "text_input"]
AskedPer = Literal["purchase", "ticket", "guest"]

MAX_OPTIONS = 4  # per tier
MIN_CHOICES, MAX_CHOICES = 2, 10
MAX_ANSWER_LENGTH = 500

NotBlank = Annotated[str, Meta(min_length=1, pattern=r"\S", examples=["North stand"], description="Text that is not blank.")]
OptionLabel = Annotated[NotBlank, Meta(max_length=200, examples=["Dinner"])]
OptionLabels = dict[Language, OptionLabel]
Choice = Annotated[NotBlank, Meta(max_length=100, examples=["Vegan"])]
Choices = Annotated[list[Choice], Meta(max_length=MAX_CHOICES)]
OtherChoices = dict[Language, Choices]


class CustomOption(Struct, frozen=True, kw_only=True):
    """A question for buyers. Only a `multi_select` has `choices`; the buyer picks one or more of them.

    `per` says whether the question is asked once for each purchase, for each ticket, or for each guest who is named for a seat.
    A required option must be answered; a required boolean accepts both true and false. `labels` and `other_choices` have
    the label and the choices in other languages, the choices in the same order. Answers may have the choices of any language, and are
    stored with the choices of the main language.
    """

    id: str
    label: str
    labels: dict[str, str] = {}
    option_type: OptionType
    is_required: bool = True
    choices: list[str] = []
    other_choices: dict[str, list[str]] = {}
    display_order: int = 0
    per: AskedPer = "purchase"

    def in_language(self, language: Language | None) -> "CustomOption":
        """Return the option with its label and choices in a language."""
        choices = self.choices if language is None else self.other_choices.get(language, self.choices)
        return replace(self, label=in_language(self.label, self.labels, language), choices=choices)


def in_option_order(options: list[CustomOption]) -> list[CustomOption]:
    """Return the options in the order in which buyers see them."""
    return sorted(options, key=lambda option: (option.display_order, option.id))


def check_option(option: CustomOption) -> None:
    """Raise InvalidInput if an option has too few, too many or duplicate choices."""
    choices = {" ".join(choice.split()).casefold() for choice in option.choices}
    if option.option_type != "multi_select":
        if option.choices:
            raise InvalidInput("Only a `multi_select` has choices. Remove them.", path="$.choices")
    elif not MIN_CHOICES <= len(option.choices) <= MAX_CHOICES:
        raise InvalidInput(f"A `multi_select` needs {MIN_CHOICES} to {MAX_CHOICES} choices.", path="$.choices", rule="choices_count")
    elif len(choices) < len(option.choices):
        raise InvalidInput("Each choice must be different.", path="$.choices", rule="choices_repeated")
    for language, others in option.other_choices.items():
        known = _known_choices(option)
        if len(others) != len(option.choices) or [known[other] for other in others] != option.choices:
            message = "Write all choices in this language, in the same order. No two choices may have the same text in any language."
            raise InvalidInput(message, path=f"$.other_choices.{language}", rule="choices_untranslated")


def _known_choices(option: CustomOption) -> dict[str, str]:
    """Return the texts of the choices in all languages, with the choice that each text means."""
    return {
        text: choice
        for texts in (*option.other_choices.values(), option.choices)
        for text, choice in zip(texts, option.choices, strict=False)
    }


# Answers to custom options: the accepted values, and their stored form.

AnswerText = Annotated[str, Meta(max_length=MAX_ANSWER_LENGTH)]
SentAnswer = bool | AnswerText | Annotated[list[AnswerText], Meta(max_length=MAX_CHOICES)]
AnswerValue = bool | str | list[str]


class AnswersRequired(InvalidInput):
    """Required options are not answered. `missing` names each option, with the ticket number if the option is asked for each ticket."""

    code: ClassVar[str] = "answers_required"
    default_message: ClassVar[str] = "Answer the required questions."


class Question(Struct, frozen=True, kw_only=True):
    """An option to answer. `path` is the JSON path of the answer in the body, `sent` is the answer, and `ticket` is the ticket number."""

    option: CustomOption
    path: str
    sent: SentAnswer | None
    ticket: int | None = None

    @property
    def is_answered(self) -> bool:
        if self.sent is None or isinstance(self.sent, bool):
            return self.sent is not None
        return bool(self.sent.strip() if isinstance(self.sent, str) else self.sent)


def check_required(questions: Sequence[Question]) -> None:
    """Raise AnswersRequired, which names all required options without an answer."""
    missing = [question for question in questions if question.option.is_required and not question.is_answered]
    if missing:
        labels = ", ".join(dict.fromkeys(question.option.label for question in missing))
        raise AnswersRequired(
            f"Answer the required questions: {labels}.", path=missing[0].path, missing=[_question_details(question) for question in missing]
        )


def check_values(questions: Sequence[Question]) -> None:
    """Raise InvalidInput if any answer is not allowed. `wrong` lists all such answers; the message and the path come from the first one."""
    refusals = []
    for question in questions:
        try:
            read_value(question)
        except InvalidInput as refusal:
            refusals.append((refusal, {**_question_details(question), "message": refusal.message}))
    if refusals:
        first = refusals[0][0]
        raise InvalidInput(first.message, **first.details, wrong=[details for _, details in refusals])


def read_value(question: Question) -> AnswerValue:
    """Return the answer in its stored form: a boolean, text, or the choices in the option's order. Raises InvalidInput.

    A single choice may be sent as a string instead of a list.
    """
    option, sent = question.option, question.sent
    if option.option_type == "boolean":
        value = {"true": True, "false": False}.get(sent.lower()) if isinstance(sent, str) else sent
        if isinstance(value, bool):
            return value
        raise InvalidInput(f"Answer {option.label!r} with true or false.", path=question.path)
    if option.option_type == "text_input":
        if isinstance(sent, str):
            return sent
        raise InvalidInput(f"Answer {option.label!r} with text.", path=question.path)
    chosen = [sent] if isinstance(sent, str) else sent
    known = _known_choices(option)
    if isinstance(chosen, list) and set(chosen) <= known.keys() and len(set(chosen)) == len(chosen):
        meant = {known[text] for text in chosen}
        return [choice for choice in option.choices if choice in meant]
    raise InvalidInput(f"Answer {option.label!r} with one or more of its choices, each once.", path=question.path, choices=option.choices)


def _question_details(question: Question) -> dict[str, Any]:
    return {"option_id": question.option.id, "label": question.option.label, "ticket": question.ticket, "path": question.path}
