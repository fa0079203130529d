"""What other features may do with promo codes: find one. Those who manage an event change them in `management`."""

from chalicelib.promotions.model import PromoCode, normalize
from chalicelib.promotions.store import find, scan_codes

__all__ = ["find", "find_by_text", "scan_codes"]


def find_by_text(event_id: str, text: str) -> PromoCode | None:
    """The code of an event that a buyer wrote, strongly consistent, or None."""
    return find(event_id, normalize(text))
