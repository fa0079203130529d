"""How a timeline of the model reads."""

from tests.protocol.world import STATES, Payment, Purchase, Refund


def told(who, call, answer):
    """One line of it: `sweep 0: move(A, held|paying, expired, version 2) -> done`."""
    return f"{who}: {call[0]}({', '.join(shown(part) for part in call[1:] if part is not None)}) -> {shown(answer)}"


def shown(part):
    match part:
        case Purchase():
            text = f"{part.state} version {part.version}, lists {shown(part.listed) or 'nothing'}"
            text += f", dispute {part.dispute}" if part.dispute else ""
            return ", ".join([text, *map(shown, part.refunds)])
        case Refund():
            what = f"tickets {' '.join(map(str, part.numbers))}" if part.numbers else "money"
            return f"{what} of {part.payment} {part.status} attempt {part.attempt}"
        case Payment():
            sent = [f"refund {one.number} attempt {one.attempt} {one.status}" for one in part.sent]
            return ", ".join([part.status, *sent, *([f"dispute of {part.disputed} {part.dispute}"] if part.dispute else [])])
        case (str(), str()) if part[0] not in STATES:
            return ".".join(part)
        case (str(), *_):
            return "|".join(map(str, part))
        case (tuple(), *_):
            return " and ".join(f"{shown(hold_id)} in {shard}" for shard, hold_id in part)
        case tuple():
            return " ".join(map(str, part))
        case _:
            return str(part)
