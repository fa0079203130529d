"""The queues of what was given up."""

from infra.template.stages import Template

DEAD_LETTER_SECONDS = 14 * 86_400


def dead_letters_name(stage: str, name: str) -> str:
    """The name of a queue; `name` of a function has hyphens there."""
    return f"fairgate-{stage}-{name}-dead-letters"


def dead_letters(stage: str, name: str) -> Template:
    """A queue that keeps for two weeks what `name` could not do."""
    return {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": dead_letters_name(stage, name),
            "MessageRetentionPeriod": DEAD_LETTER_SECONDS,
            "SqsManagedSseEnabled": True,
        },
    }
