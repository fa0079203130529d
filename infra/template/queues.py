"""The queues of dead letters."""

from infra.template.stages import Template

DEAD_LETTER_SECONDS = 14 * 86_400


def dead_letters_name(stage: str, name: str) -> str:
    """Return the name of a queue; `name` is a function's name with hyphens."""
    return f"fairgate-{stage}-{name}-dead-letters"


def dead_letters(stage: str, name: str) -> Template:
    """Return a queue that keeps the dead letters of `name` for two weeks."""
    return {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": dead_letters_name(stage, name),
            "MessageRetentionPeriod": DEAD_LETTER_SECONDS,
            "SqsManagedSseEnabled": True,
        },
    }
