"""Amounts of money: an integer number of minor units (cents, pence, yen), never a float, and an ISO 4217 currency code."""

from typing import Annotated

from msgspec import Meta

MAX_PRICE_CENTS = 100_000_000

Cents = Annotated[int, Meta(ge=0, le=MAX_PRICE_CENTS, description="Minor units of the currency; 0 is free.")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code in capital letters.")]
