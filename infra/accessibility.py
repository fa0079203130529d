"""How the pages meet chapter 9 of EN 301 549 V3.2.1: WCAG 2.1, levels A and AA. `make docs` writes this into docs/accessibility.md.

Chapter 9 repeats the success criteria of WCAG 2.1 with a 9 before the number: clause 9.1.4.3 is criterion 1.4.3.
"""

from typing import Literal

from msgspec import Struct

State = Literal["met", "met in part", "no such content"]


class Criterion(Struct, frozen=True):
    """A success criterion, and how the pages meet it. `checks` are names of CHECKS, or tests as `path::name`."""

    clause: str
    name: str
    level: Literal["A", "AA"]
    state: State
    how: str
    checks: tuple[str, ...] = ()


# What several criteria have in common: a name, what is checked, and the tests.
CHECKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "axe": (
        "axe's rules for the criterion, on every page, in every state that a scene or a tour shows, light and dark",
        ("tests/browser/test_pages.py", "tests/browser/test_widget.py"),
    ),
    "width": (
        "every page and state at a width of 320 px, with text at twice the size, with the spacing of criterion 1.4.12, in every language, "
        "and from right to left",
        ("tests/browser/test_pages.py",),
    ),
    "keyboard": (
        "journeys with the keyboard alone, in which people see at every stop what has the focus: a purchase, the waiting room, signing in, "
        "an event from start to end, the door",
        (
            "tests/browser/test_buying.py::test_everything_can_be_bought_with_the_keyboard_alone",
            "tests/browser/test_waiting_room.py::test_the_waiting_room_in_spanish_by_the_keyboard_alone",
            "tests/browser/test_accounts.py::test_signing_in_in_spanish_by_the_keyboard_alone",
            "tests/browser/test_keyboard_of_managers.py::test_an_event_is_run_from_start_to_end_by_keyboard",
            "tests/browser/test_door.py::test_the_door_in_spanish_by_the_keyboard_alone",
        ),
    ),
    "focus": (
        "on every page and in every state, what people did to get there has not left them without the focus",
        ("tests/browser/test_pages.py",),
    ),
}

_NO_MEDIA = "Pages show no recordings or broadcasts, and promoters cannot upload any."

CRITERIA = (
    Criterion(
        "9.1.1.1",
        "Non-text content",
        "A",
        "met",
        "QR codes and charts have a text; drawn pictures and photos of events are decoration.",
        ("axe",),
    ),
    Criterion("9.1.2.1", "Audio-only and video-only (prerecorded)", "A", "no such content", _NO_MEDIA),
    Criterion("9.1.2.2", "Captions (prerecorded)", "A", "no such content", _NO_MEDIA),
    Criterion("9.1.2.3", "Audio description or media alternative (prerecorded)", "A", "no such content", _NO_MEDIA),
    Criterion("9.1.2.4", "Captions (live)", "AA", "no such content", _NO_MEDIA),
    Criterion("9.1.2.5", "Audio description (prerecorded)", "AA", "no such content", _NO_MEDIA),
    Criterion(
        "9.1.3.1", "Info and relationships", "A", "met", "Headings, lists, tables, groups of fields and labels are HTML elements.", ("axe",)
    ),
    Criterion("9.1.3.2", "Meaningful sequence", "A", "met", "The order of the document is the order of reading.", ("keyboard",)),
    Criterion(
        "9.1.3.3",
        "Sensory characteristics",
        "A",
        "met",
        "Texts name buttons and fields by their label, never only by their shape or place.",
    ),
    Criterion("9.1.3.4", "Orientation", "AA", "met", "Pages work upright and across.", ("axe",)),
    Criterion("9.1.3.5", "Identify input purpose", "AA", "met", "Fields about the buyer have `autocomplete`.", ("axe",)),
    Criterion(
        "9.1.4.1",
        "Use of color",
        "A",
        "met",
        "Links in texts are underlined. States and the results of scans have words.",
        ("axe", "tests/browser/test_door.py::test_each_reason_has_its_words_and_the_color_of_its_kind"),
    ),
    Criterion(
        "9.1.4.2",
        "Audio control",
        "A",
        "met",
        "The sound of a turn lasts half a second and can be turned off.",
        ("axe", "tests/browser/test_waiting_room.py::test_the_line_moves_on_the_page_and_announces_the_turn"),
    ),
    Criterion(
        "9.1.4.3",
        "Contrast (minimum)",
        "AA",
        "met",
        "The colors have the contrast, light and dark. A promoter's own colors without it are refused.",
        ("axe", "tests/promoters/test_brand.py::test_the_least_contrast_is_that_of_wcag"),
    ),
    Criterion(
        "9.1.4.4", "Resize text", "AA", "met", "Text grows to twice its size, and pages do not stop people from zooming.", ("axe", "width")
    ),
    Criterion(
        "9.1.4.5",
        "Images of text",
        "AA",
        "met",
        "Text is text. Promoters can upload a logo and pictures, and should put no text into these.",
    ),
    Criterion("9.1.4.10", "Reflow", "AA", "met", "Pages fit 320 px. Only wide tables scroll, with the keyboard too.", ("width",)),
    Criterion(
        "9.1.4.11",
        "Non-text contrast",
        "AA",
        "met",
        "The borders of fields and the outline of the focus have a contrast of 3:1.",
        ("tests/infra/test_accessibility.py::test_fields_and_the_focus_can_be_seen",),
    ),
    Criterion("9.1.4.12", "Text spacing", "AA", "met", "Boxes grow with their text.", ("axe", "width")),
    Criterion("9.1.4.13", "Content on hover or focus", "AA", "met", "Nothing appears when the pointer or the focus only passes."),
    Criterion(
        "9.2.1.1", "Keyboard", "A", "met", "Everything works with the keyboard alone, also sorting the ticket types.", ("axe", "keyboard")
    ),
    Criterion("9.2.1.2", "No keyboard trap", "A", "met", "Tab leaves every part of a page, and Escape every dialog.", ("keyboard",)),
    Criterion("9.2.1.4", "Character key shortcuts", "A", "met", "There are no shortcuts."),
    Criterion(
        "9.2.2.1",
        "Timing adjustable",
        "A",
        "met",
        "A turn and a reservation last longer on request. A link or a code that has expired can be requested again, and "
        "typed text outlives a session.",
        (
            "axe",
            "tests/browser/test_accounts.py::test_an_expired_session_keeps_what_was_typed_while_signing_in",
            "tests/waiting_room/test_longer_turns.py",
            "tests/browser/test_waiting_room.py::test_a_longer_turn_with_a_checkbox_before_joining_and_in_the_line",
        ),
    ),
    Criterion(
        "9.2.2.2",
        "Pause, stop, hide",
        "A",
        "met",
        "Only a placeholder of what is loading moves, unless people asked for less motion. Numbers change by themselves, such as a "
        "countdown or the tickets left, because a sale consists of them.",
        ("axe",),
    ),
    Criterion("9.2.3.1", "Three flashes or below threshold", "A", "met", "Nothing flashes."),
    Criterion("9.2.4.1", "Bypass blocks", "A", "met", "The first link of each page leads to its content.", ("axe",)),
    Criterion("9.2.4.2", "Page titled", "A", "met", "Each page has its own title, which also announces a turn.", ("axe",)),
    Criterion(
        "9.2.4.3",
        "Focus order",
        "A",
        "met",
        "The focus follows the order of reading, and moves to what a click has opened.",
        ("keyboard", "focus"),
    ),
    Criterion("9.2.4.4", "Link purpose (in context)", "A", "met", "Links say where they lead.", ("axe",)),
    Criterion(
        "9.2.4.5",
        "Multiple ways",
        "AA",
        "met",
        "Events are in a list and found by a search. The other pages are steps of a purchase, or in the navigation.",
        ("tests/browser/test_browsing.py::test_events_are_found_by_words_city_and_what_is_left",),
    ),
    Criterion("9.2.4.6", "Headings and labels", "AA", "met", "Headings and labels say what follows."),
    Criterion("9.2.4.7", "Focus visible", "AA", "met", "The focus has an outline of 3 px.", ("keyboard",)),
    Criterion("9.2.5.1", "Pointer gestures", "A", "met", "One click or tap does everything. Dragging is never the only way."),
    Criterion("9.2.5.2", "Pointer cancellation", "A", "met", "Buttons and links act when the pointer is released."),
    Criterion("9.2.5.3", "Label in name", "A", "met", "A control's name contains its visible label.", ("axe",)),
    Criterion("9.2.5.4", "Motion actuation", "A", "no such content", "Pages do not react to the motion of the device."),
    Criterion(
        "9.3.1.1",
        "Language of page",
        "A",
        "met",
        "Each page names its language and direction.",
        ("axe", "tests/catalog/test_pages.py::test_a_page_says_that_its_language_is_written_from_right_to_left"),
    ),
    Criterion(
        "9.3.1.2",
        "Language of parts",
        "AA",
        "met in part",
        "Legal texts and the choice of languages name their language. Where a promoter has no text in the language of the page, the shop "
        "shows the main text, whose language it does not know.",
        ("axe",),
    ),
    Criterion("9.3.2.1", "On focus", "A", "met", "The focus alone changes nothing.", ("keyboard",)),
    Criterion(
        "9.3.2.2",
        "On input",
        "A",
        "met",
        "Typing and choosing change only the page, and keep what was typed.",
        ("tests/browser/test_languages.py::test_managers_load_one_language_and_keep_what_they_typed",),
    ),
    Criterion("9.3.2.3", "Consistent navigation", "AA", "met", "All pages of the shop, and all pages for managers, have the same frame."),
    Criterion(
        "9.3.2.4",
        "Consistent identification",
        "AA",
        "met",
        "The same control has the same text everywhere: each text exists once in each language.",
    ),
    Criterion(
        "9.3.3.1",
        "Error identification",
        "A",
        "met",
        "A refusal is shown as text at its field, which has the focus.",
        ("tests/browser/test_checkout_details.py::test_a_wrong_promo_code_is_explained_at_its_field",),
    ),
    Criterion("9.3.3.2", "Labels or instructions", "A", "met", "Each field has a label, and a note if its form is not obvious.", ("axe",)),
    Criterion(
        "9.3.3.3",
        "Error suggestion",
        "AA",
        "met",
        "A refusal says what to do. A mistyped address is suggested as it was probably meant.",
        ("tests/browser/test_checkout_details.py::test_a_guests_mistyped_address_is_corrected_with_one_click_and_kept",),
    ),
    Criterion(
        "9.3.3.4",
        "Error prevention (legal, financial, data)",
        "AA",
        "met",
        "The checkout shows the order before the payment, and leads back from it. What cannot be undone asks for a confirmation.",
        (
            "tests/browser/test_payment.py::test_from_the_card_form_one_can_go_back_to_names_and_promo_code",
            "tests/browser/test_texts_in_languages.py::test_a_manager_cancels_with_a_reason_in_several_languages",
        ),
    ),
    Criterion("9.4.1.1", "Parsing", "A", "met", "Browsers build the same page from the HTML; WCAG 2.2 has removed the criterion."),
    Criterion("9.4.1.2", "Name, role, value", "A", "met", "Controls are HTML elements, or have their role and state.", ("axe",)),
    Criterion(
        "9.4.1.3",
        "Status messages",
        "AA",
        "met",
        "Screen readers hear successes, failures, the place in line and the time left, without the focus.",
        ("tests/browser/test_waitlist.py::test_a_screen_reader_hears_the_time_left_more_often_near_the_end",),
    ),
)


def count_states() -> dict[State, int]:
    """Return how many criteria are in each state."""
    states = [criterion.state for criterion in CRITERIA]
    return {state: states.count(state) for state in ("met", "met in part", "no such content")}
