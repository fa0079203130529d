"""The stage on AWS that a command works on. Its name and region must be given and valid before the command calls AWS."""

from collections.abc import Mapping
from difflib import get_close_matches

from chalicelib.foundation import settings
from infra.template.stages import LOCAL, deployed_stages


def check_stage(name: str) -> None:
    """Raise SettingsError unless .chalice/config.json has a deployed stage of this name."""
    stages = deployed_stages()
    if name not in stages:
        nearest = nearest_name(name, stages)
        how = f"(with make: STAGE={nearest}; with fairgate: --stage {nearest})"
        wrong = f"not {name!r}; the nearest name is {nearest} {how}" if name else f"but no stage was given {how}"
        raise settings.SettingsError(f"the stage must be {' or '.join(stages)}, {wrong}")


def check_region(environment: Mapping[str, str]) -> str:
    """Return the region that the environment names, as the functions read it. Raises SettingsError unless AWS has that region."""
    variable = next((name for name in settings.REGION_VARIABLES if environment.get(name)), None)
    if variable is None:
        raise settings.SettingsError(
            "AWS_REGION is not set; name the region of the stage: AWS_REGION=eu-central-1 (the region of an AWS profile is not used)"
        )
    region, regions = environment[variable], _regions()
    if region not in regions:
        raise settings.SettingsError(
            f"{variable} must be a region of AWS, not {region!r}; the nearest name is {nearest_name(region, regions)}"
        )
    return region


def require(environment: Mapping[str, str]) -> None:
    """Check the stage and the region of a command that works on a stage's tables.

    Raises SettingsError. A store with its own address may have any stage, and has no region.
    """
    current = settings.current()
    if not current.store_endpoint:
        check_stage("" if current.stage == LOCAL else current.stage)
        check_region(environment)


def _regions() -> list[str]:
    """Return the regions of all partitions with DynamoDB, from AWS's SDK."""
    import boto3.session  # slow to import, and not needed to report a wrong stage

    session = boto3.session.Session(region_name=settings.DEFAULT_REGION)
    return [region for partition in session.get_available_partitions() for region in session.get_available_regions("dynamodb", partition)]


def nearest_name(name: str, names: list[str]) -> str:
    """Return the name that a misspelled one probably means; the first name if the given one is empty."""
    return get_close_matches(name, names, n=1, cutoff=0)[0] if name else names[0]
