"""What other features may do with promo codes: find them.

Those who manage an event change them in `management`, the bootstrap file in `declarations`.
"""

from chalicelib.promotions.model import PromoCode, normalize
from chalicelib.promotions.store import find, list_codes, scan_codes

__all__ = ["find", "find_by_text", "list_codes", "scan_codes"]


def find_by_text(event_id: str, text: str) -> PromoCode | None:
    """The code of an event that a buyer wrote, strongly consistent, or None."""
    return find(event_id, normalize(text))
