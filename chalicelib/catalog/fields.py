"""Fields of events and tiers, declared once: a `Field` in `model.py` puts the field into requests, replies and the bootstrap file.

    is_sponsorship: Annotated[bool, Field("public", "The tier is shown to buyers, and in sales reports, as a sponsorship.")] = False

A class that receives such fields names them in its decorator: `@extended(form_fields(Tier))`. Its body declares the fields whose name,
type or value differs from the model's. mypy sees only the fields in the body, so code that reads a field by name reads it from the model.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, Struct, UnsetType, defstruct
from msgspec.structs import replace

from chalicelib.catalog.custom_options import NotBlank
from chalicelib.edge.languages import Language

MAX_CAPACITY = 1_000_000

Name = Annotated[NotBlank, Meta(max_length=200, examples=["Harbor Nights"])]
Text = Annotated[str, Meta(max_length=10_000)]
Line = Annotated[str, Meta(max_length=200)]
PostalCode = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9 -]{1,18}[A-Za-z0-9]\Z",
        examples=["80202"],
        description="A postal code: 3 to 20 letters, digits, spaces or -, beginning and ending with a letter or digit.",
    ),
]
Label = Annotated[NotBlank, Meta(max_length=100)]
Names = dict[Language, Name]
Texts = dict[Language, Annotated[Text, Meta(min_length=1)]]
Capacity = Annotated[int, Meta(ge=1, le=MAX_CAPACITY)]
Count = Annotated[int, Meta(ge=0, le=MAX_CAPACITY)]
Minutes = Annotated[int, Meta(ge=0, le=1440)]
Reason = Annotated[NotBlank, Meta(max_length=500, examples=["The hall is flooded."])]  # for buyers
ShopUrl = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s#]*)?$|^http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?(/[^\s#]*)?$",
        examples=["https://tickets.example.com/harbor-nights"],
        description="An address that begins with https://, without a user or a fragment. On this machine, http:// is allowed too.",
    ),
]
TimeZone = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
        examples=["Europe/Lisbon"],
        description="The IANA name of a time zone, such as America/Denver.",
    ),
]

_COUNTRY_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG "
    "CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL "
    "GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA "
    "LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP "
    "NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_COUNTRY_CODES.split())

S = TypeVar("S", bound=Struct)
NewField = tuple[str, Any] | tuple[str, Any, Any]  # name and type, and the default of a field that may be omitted


class Field(Struct, frozen=True):
    """A field that managers edit under the name that it has in the store.

    `seen_by` says who gets the field as it is stored: everybody, or only the managers of the event. `meaning` is a sentence for the
    documentation and OpenAPI. `type` has the limits for requests and for the bootstrap file; by default it is the type in the store.
    `in_file` says where the bootstrap file has the field: under the field's name in the entry of the event or tier (`entry`), in a place
    that `bootstrap_file/validation.py` and `bootstrap/event_export.py` know (`elsewhere`), or nowhere (`no`).
    """

    seen_by: Literal["public", "managers"]
    meaning: str
    type: Any = None
    in_file: Literal["entry", "elsewhere", "no"] = "entry"


@cache
def declared_fields(model: type[Struct]) -> dict[str, Field]:
    """Return the declared fields of an event or tier by name."""
    declared = {}
    for stored in msgspec.structs.fields(model):
        for meta in get_args(stored.type):
            if isinstance(meta, Field):
                declared[stored.name] = replace(meta, type=meta.type or get_args(stored.type)[0])
    return declared


def form_fields(model: type[Struct]) -> list[NewField]:
    """Return the fields of a request that changes an event or tier. Any of them may be omitted."""
    return [(name, field.type | UnsetType, UNSET) for name, field in declared_fields(model).items()]


def file_fields(model: type[Struct]) -> list[tuple[str, Any, Any]]:
    """Return the fields of an entry of the bootstrap file. An omitted field has the default of the model."""
    defaults = default_values(model)
    return [(name, field.type, defaults[name]) for name, field in declared_fields(model).items() if field.in_file == "entry"]


def default_values(model: type[Struct]) -> dict[str, Any]:
    """Return the default value of each field of an event or tier; NODEFAULT for a required field."""
    found = msgspec.structs.fields(model)
    return {field.name: field.default if field.default_factory is NODEFAULT else field.default_factory() for field in found}


def view_fields(model: type[Struct], seen_by: str) -> list[NewField]:
    """Return the reply fields that everybody sees (`public`), or the fields that only `managers` see."""
    types = {field.name: get_args(field.type)[0] for field in msgspec.structs.fields(model) if get_args(field.type)}
    shown = {name: field for name, field in declared_fields(model).items() if field.seen_by == seen_by}
    return [(name, Annotated[types[name], Meta(description=field.meaning)]) for name, field in shown.items()]


def optional_fields(struct: type[Struct], without: Sequence[str]) -> list[NewField]:
    """Return the fields of `struct`, except the fields in `without`. Any of them may be omitted."""
    given = [field for field in msgspec.structs.fields(struct) if field.name not in without]
    return [(field.name, field.type | UnsetType, UNSET) for field in given]


def extended(fields: Sequence[NewField]) -> Callable[[type[S]], type[S]]:
    """Return a decorator that adds the fields to a struct, except fields that the struct's body declares."""

    def extend(struct: type[S]) -> type[S]:
        added = [field for field in fields if field[0] not in struct.__struct_fields__]
        namespace = {"__doc__": struct.__doc__, "__qualname__": struct.__qualname__}
        name, module = struct.__name__, struct.__module__
        return cast(type[S], defstruct(name, added, bases=(struct,), module=module, namespace=namespace, frozen=True, kw_only=True))

    return extend


def view_values(entry: Struct, seen_by: str) -> dict[str, Any]:
    """Return the values of the fields that everybody sees (`public`), or of the fields that only `managers` see."""
    return {name: getattr(entry, name) for name, field in declared_fields(type(entry)).items() if field.seen_by == seen_by}


def file_values(model: type[Struct], entry: Struct) -> dict[str, Any]:
    """Return the values of the declared fields that the bootstrap file has under their own keys.

    `entry` is an entry of the file, an event or a tier.
    """
    return {name: getattr(entry, name) for name, field in declared_fields(model).items() if field.in_file == "entry"}
