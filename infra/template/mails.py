"""Emails through Amazon SES: the sender's domain, and the topic on which SES reports deliveries and bounces (decision 96).

Only for stages that send with SES. The topic posts to a route of the API, which confirms the subscription automatically.
"""

from email.utils import parseaddr

from chalicelib.foundation.settings import PREFIX
from infra.template import queues
from infra.template.stages import Template, function_settings, stack_settings

CONFIGURATION, TOPIC, DEAD_LETTERS = "MailConfiguration", "MailReports", "MailReportsDeadLetters"
REPORTED = ["bounce", "complaint", "delivery", "reject"]
# Settings whose values the stack creates.
_SET_BY_STACK: Template = {f"{PREFIX}SES_CONFIGURATION_SET": {"Ref": CONFIGURATION}, f"{PREFIX}SES_TOPIC_ARN": {"Ref": TOPIC}}
_ENDPOINT = "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${RestAPI.Stage}/v1/webhooks/ses"


def resources(stage: str) -> Template:
    """Return the resources; none unless the stage sends with SES. Raises ValueError if its settings contradict each other."""
    domain = stack_settings(stage).mail_domain
    if not uses_ses(stage):
        if domain:
            raise ValueError(f"mail_domain of stage {stage} works only with SES; also set {PREFIX}MAIL_PROVIDER to ses")
        return {}
    sender_domain(stage)
    if set_by_hand := sorted(_SET_BY_STACK.keys() & _variables(stage).keys()):
        raise ValueError(f"{set_by_hand[0]} of stage {stage} is set by the stack; remove it from .chalice/config.json")
    return {
        CONFIGURATION: {"Type": "AWS::SES::ConfigurationSet", "Properties": {"Name": f"fairgate-{stage}"}},
        TOPIC: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"fairgate-{stage}-mail-reports", "SignatureVersion": "2"}},
        f"{TOPIC}Policy": _only_ses_publishes(),
        f"{TOPIC}Destination": _destination(),
        f"{TOPIC}Subscription": _subscription(),
        DEAD_LETTERS: queues.dead_letters(stage, "mail-reports"),
        f"{DEAD_LETTERS}Policy": _only_the_topic_sends(),
        **({"MailDomain": _domain(domain)} if domain else {}),
    }


def outputs(stage: str) -> Template:
    """Return the DNS records that SES needs before it sends for the domain; none unless the stack registers a domain."""
    if not stack_settings(stage).mail_domain:
        return {}
    records = [f"${{MailDomain.DkimDNSTokenName{number}}} CNAME ${{MailDomain.DkimDNSTokenValue{number}}}" for number in (1, 2, 3)]
    return {"MailDnsRecords": {"Value": {"Fn::Sub": "; ".join(records)}}}


def variables(stage: str) -> Template:
    """Return the environment variables that name the stack's SES resources to the functions."""
    return _SET_BY_STACK if uses_ses(stage) else {}


def uses_ses(stage: str) -> bool:
    """Whether the stage sends its emails with SES."""
    return bool(_variables(stage).get(f"{PREFIX}MAIL_PROVIDER") == "ses")


def sender_domain(stage: str) -> str:
    """Return the sender's domain of a stage that uses SES. Raises ValueError if there is none, or if `mail_domain` differs."""
    sender = parseaddr(_variables(stage).get(f"{PREFIX}MAIL_FROM", ""))[1]
    domain = sender.rpartition("@")[2]
    registered = stack_settings(stage).mail_domain
    if "@" not in sender or (registered and domain != registered):
        wanted = f" of {registered}" if registered else ""
        raise ValueError(
            f"{PREFIX}MAIL_FROM of stage {stage} must be an address{wanted}, or `Name <address>`, because the stage sends with SES"
        )
    return domain


def _variables(stage: str) -> Template:
    variables: Template = function_settings(stage)["Environment"]["Variables"]
    return variables


def _domain(domain: str) -> Template:
    """Return the mail domain. It outlives the stack, because other stages of the region may send from it too."""
    return {
        "Type": "AWS::SES::EmailIdentity",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "EmailIdentity": domain,
            "DkimSigningAttributes": {"NextSigningKeyLength": "RSA_2048_BIT"},
            # Otherwise SES also sends each bounce to the sender's address.
            "FeedbackAttributes": {"EmailForwardingEnabled": False},
            "Tags": [{"Key": "service", "Value": "fairgate"}],
        },
    }


def _destination() -> Template:
    reports = {"Name": "reports", "Enabled": True, "MatchingEventTypes": REPORTED, "SnsDestination": {"TopicARN": {"Ref": TOPIC}}}
    return {
        "Type": "AWS::SES::ConfigurationSetEventDestination",
        "DependsOn": f"{TOPIC}Policy",
        "Properties": {"ConfigurationSetName": {"Ref": CONFIGURATION}, "EventDestination": reports},
    }


def _subscription() -> Template:
    """Return the API's subscription.

    SNS repeats a report for about a minute. Reports that the API still rejects go to a queue, which sets off the alarm for dead letters.
    """
    return {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": f"{DEAD_LETTERS}Policy",
        "Properties": {
            "TopicArn": {"Ref": TOPIC},
            "Protocol": "https",
            "Endpoint": {"Fn::Sub": _ENDPOINT},
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": [DEAD_LETTERS, "Arn"]}},
        },
    }


def _only_ses_publishes() -> Template:
    configuration = {"Fn::Sub": f"arn:${{AWS::Partition}}:ses:${{AWS::Region}}:${{AWS::AccountId}}:configuration-set/${{{CONFIGURATION}}}"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": TOPIC},
        "Condition": {"StringEquals": {"AWS:SourceAccount": {"Ref": "AWS::AccountId"}, "AWS:SourceArn": configuration}},
    }
    return {"Type": "AWS::SNS::TopicPolicy", "Properties": {"Topics": [{"Ref": TOPIC}], "PolicyDocument": _document(statement)}}


def _only_the_topic_sends() -> Template:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [DEAD_LETTERS, "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": TOPIC}}},
    }
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": DEAD_LETTERS}], "PolicyDocument": _document(statement)}}


def _document(statement: Template) -> Template:
    return {"Version": "2012-10-17", "Statement": [statement]}
