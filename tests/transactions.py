"""Transactions that tests try."""

from chalicelib.dynamodb import dynamo


def is_refused(*items: dynamo.TransactItem) -> bool:
    """Write the items in one transaction. Returns whether a condition of theirs refused it."""
    try:
        dynamo.transact(items)
    except dynamo.ConditionFailed:
        return True
    return False
