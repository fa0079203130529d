"""The text of a timeline: one line for each call of a process and its answer."""

from tests.proof.model.world import STATES, ProviderPayment, Purchase, Refund


def format_step(process, call, answer):
    """One line, such as `sweep 0: transition(A, held|paying, expired, version 2) -> done`."""
    return f"{process}: {call[0]}({', '.join(format_value(part) for part in call[1:] if part is not None)}) -> {format_value(answer)}"


def format_value(value):
    match value:
        case Purchase():
            text = f"{value.state} version {value.version}, holds {format_value(value.holds) or 'none'}"
            text += f", dispute {value.dispute}" if value.dispute else ""
            return ", ".join([text, *map(format_value, value.refunds)])
        case Refund():
            subject = f"tickets {' '.join(map(str, value.numbers))}" if value.numbers else "no tickets"
            return f"refund of {value.payment} for {subject} {value.status} attempt {value.attempt}"
        case ProviderPayment():
            refunds = [f"refund {refund.number} attempt {refund.attempt} {refund.status}" for refund in value.refunds]
            return ", ".join([value.status, *refunds, *([f"dispute of {value.disputed_amount} {value.dispute}"] if value.dispute else [])])
        case (str(), str()) if value[0] not in STATES:
            return ".".join(value)
        case (str(), *_):
            return "|".join(map(str, value))
        case (tuple(), *_):
            return " and ".join(f"{format_value(hold_id)} in {shard}" for shard, hold_id in value)
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)
