"""Custom options: what buyers of a tier are asked at checkout, and their guests. They are a part of their tier."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.foundation.errors import InvalidInput

OptionType = Literal["boolean", "multi_select", "text_input"]
AskedPer = Literal["purchase", "ticket", "guest"]

MAX_OPTIONS = 4  # of a tier
MIN_CHOICES, MAX_CHOICES = 2, 10
MAX_ANSWER_LENGTH = 500

NotBlank = Annotated[str, Meta(min_length=1, pattern=r"\S", examples=["North stand"], description="Text that is not blank.")]
OptionLabel = Annotated[NotBlank, Meta(max_length=200, examples=["Dinner"])]
Choice = Annotated[NotBlank, Meta(max_length=100, examples=["Vegan"])]


class CustomOption(Struct, frozen=True, kw_only=True):
    """A question to buyers. `choices` are those of a `multi_select`, of which a buyer takes one or more; other types have none.

    `per`: asked once for each purchase, for each of its tickets, or of each guest who is named for a seat.
    A required one must be answered, a boolean with true or false.
    """

    id: str
    label: str
    option_type: OptionType
    is_required: bool = True
    choices: list[str] = []
    display_order: int = 0
    per: AskedPer = "purchase"


def in_order(options: list[CustomOption]) -> list[CustomOption]:
    """Options as buyers are asked."""
    return sorted(options, key=lambda option: (option.display_order, option.id))


def check_option(option: CustomOption) -> None:
    """Raises InvalidInput if an option has too few or too many choices, or one twice."""
    choices = {" ".join(choice.split()).casefold() for choice in option.choices}
    if option.option_type != "multi_select":
        if option.choices:
            raise InvalidInput("Only a `multi_select` has choices. Remove them.", path="$.choices")
    elif not MIN_CHOICES <= len(option.choices) <= MAX_CHOICES:
        raise InvalidInput(f"A `multi_select` needs {MIN_CHOICES} to {MAX_CHOICES} choices.", path="$.choices", rule="choices_count")
    elif len(choices) < len(option.choices):
        raise InvalidInput("Each choice must be different.", path="$.choices", rule="choices_repeated")
