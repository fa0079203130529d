"""Balance transactions of charges and refunds."""


def test_charges_and_refunds_move_the_balance(shop):
    intent = shop.pay()
    shop.refunds.create({"payment_intent": intent.id, "amount": 500})
    transactions = [
        (transaction.type, transaction.amount, transaction.fee) for transaction in shop.client.v1.balance_transactions.list().data
    ]
    assert transactions == [("refund", -500, 0), ("charge", 5000, 175)]
