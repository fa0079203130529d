"""The stage on AWS that a command is for: its name and its region have to be named, and spelled right, before AWS is asked anything."""

from collections.abc import Mapping
from difflib import get_close_matches

from chalicelib.foundation import settings
from infra.template.stages import LOCAL, deployed_stages


def check_stage(name: str) -> None:
    """Raise SettingsError if no stage of .chalice/config.json that is deployed has this name."""
    stages = deployed_stages()
    if name not in stages:
        nearest = nearest_name(name, stages)
        how = f"(with make: STAGE={nearest}; otherwise: {settings.PREFIX}STAGE={nearest})"
        wrong = f"not {name!r}; the nearest name is {nearest} {how}" if name else f"and none is named {how}"
        raise settings.SettingsError(f"the stage must be {' or '.join(stages)}, {wrong}")


def check_region(environment: Mapping[str, str]) -> str:
    """The region that the environment names, as the functions read it. Raises SettingsError if AWS has none of that name."""
    variable = next((name for name in settings.REGION_VARIABLES if environment.get(name)), None)
    if variable is None:
        raise settings.SettingsError(
            "AWS_REGION is not set; name the region of the stage: AWS_REGION=eu-central-1 (that of an AWS profile is not read)"
        )
    region, regions = environment[variable], _regions()
    if region not in regions:
        raise settings.SettingsError(
            f"{variable} must be a region of AWS, not {region!r}; the nearest name is {nearest_name(region, regions)}"
        )
    return region


def require(environment: Mapping[str, str]) -> None:
    """Check the stage and the region of a command that works on the tables of a stage.

    Raises SettingsError. A store with an address of its own is of any stage and in no region.
    """
    current = settings.current()
    if not current.store_endpoint:
        check_stage("" if current.stage == LOCAL else current.stage)
        check_region(environment)


def _regions() -> list[str]:
    """The regions of all partitions that have DynamoDB, as AWS's SDK knows them."""
    import boto3.session  # takes a moment, and a wrong stage needs none

    session = boto3.session.Session(region_name=settings.DEFAULT_REGION)
    return [region for partition in session.get_available_partitions() for region in session.get_available_regions("dynamodb", partition)]


def nearest_name(name: str, names: list[str]) -> str:
    """The one of the names that a wrong one probably means; the first if there is nothing to compare."""
    return get_close_matches(name, names, n=1, cutoff=0)[0] if name else names[0]
