"""Uploads of a deployment: the package to the deployer's bucket, and the pages to the stack's bucket."""

import json
import mimetypes
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.account import AwsAccount, DeploymentFailed

# Files whose names contain a hash of their content never change; browsers revalidate all other files.
LASTING, CHECKED = "public, max-age=31536000, immutable", "no-cache"
_HASHED_FOLDER = "assets"


def default_bucket(account: AwsAccount) -> str:
    return f"fairgate-deploy-{account.id}-{account.region}"


class PackageBucket:
    """The bucket from which CloudFormation reads packages. Another account's bucket is never used, even if it has this name."""

    def __init__(self, account: AwsAccount, name: str) -> None:
        """Open the bucket `name`; without a name open the default bucket, and create it if it is missing. Raises DeploymentFailed."""
        self._s3, self._owner = account.client("s3"), account.id
        self.name = name or default_bucket(account)
        status = self._status()
        if status == 404 and name:
            raise DeploymentFailed(
                f"The bucket {name} does not exist. Create it (aws s3 mb s3://{name}), or leave BUCKET out to have a bucket created."
            )
        if status == 404:
            self._create(account.region)
        elif status != 200:
            raise DeploymentFailed(
                f"The bucket {self.name} cannot be used ({status}): it belongs to another account, or the deployer has no access to it. "
                "Name another bucket: make deploy BUCKET=name"
            )

    def upload(self, file: Path, key: str) -> str:
        """Upload a file and return its key."""
        self._s3.upload_file(str(file), self.name, key, ExtraArgs={"ExpectedBucketOwner": self._owner})
        return key

    def upload_text(self, text: str, key: str) -> str:
        """Upload a text and return its URL in the form that CloudFormation expects."""
        self._s3.put_object(Bucket=self.name, Key=key, Body=text.encode(), ExpectedBucketOwner=self._owner)
        signed: str = self._s3.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": key})
        return signed.partition("?")[0]

    def _status(self) -> int:
        try:
            self._s3.head_bucket(Bucket=self.name, ExpectedBucketOwner=self._owner)
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    def _create(self, region: str) -> None:
        location: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._s3.create_bucket(Bucket=self.name, **location)
        blocked = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
        self._s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=blocked, ExpectedBucketOwner=self._owner)


def upload_package(bucket: PackageBucket, folder: Path, stage: str) -> str:
    """Upload the zips that the template in `folder` names, and the template with their addresses. Returns the template's URL.

    Keys are hashes of the content, so an earlier template still finds its zips.
    """
    template = json.loads((folder / "sam.json").read_bytes())
    uploaded: dict[str, str] = {}
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):  # of functions and of layers
            code = resource.get("Properties", {}).get(name)
            if isinstance(code, str) and not code.startswith("s3://"):
                if code not in uploaded:
                    file = folder / code
                    uploaded[code] = bucket.upload(file, f"{stage}/{sha256(file.read_bytes()).hexdigest()}.zip")
                resource["Properties"][name] = f"s3://{bucket.name}/{uploaded[code]}"
    text = json.dumps(template)
    return bucket.upload_text(text, f"{stage}/{sha256(text.encode()).hexdigest()}.json")


def upload_pages(account: AwsAccount, folder: Path, bucket: str, *, assets_only: bool = False) -> int:
    """Upload the pages in `folder` and return the number of files. Files of earlier versions stay, because open pages may request them.

    Pages are uploaded after the files that they refer to, so no page is ever served without its files. `assets_only` leaves out the files
    that keep their names.
    """
    s3 = account.client("s3")
    source = folder / _HASHED_FOLDER if assets_only else folder
    files = sorted((path for path in source.rglob("*") if path.is_file()), key=lambda path: (path.suffix == ".html", str(path)))
    for file in files:
        key = file.relative_to(folder).as_posix()
        headers = {
            "ContentType": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            "CacheControl": LASTING if key.startswith(f"{_HASHED_FOLDER}/") else CHECKED,
        }
        s3.upload_file(str(file), bucket, key, ExtraArgs={**headers, "ExpectedBucketOwner": account.id})
    return len(files)
