"""The S3 server of the tests and the ways around the portal to look into it."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.services import missing
from tests.tools.rgw import RgwUnavailable, shared_server


@pytest.fixture(scope="session")
def s3_server():
    """One real S3 server for all worker processes of this run."""
    try:
        with shared_server(Path(os.environ["PORTAL_TEST_DIR"]) / "s3") as server:
            yield server
    except RgwUnavailable as error:
        missing(f"An S3 server can't be run here: {error}.")


def client(spec: Any) -> Any:
    """A plain client with the spec's keys."""
    return spec.open().client


def empty(spec: Any) -> None:
    """The server keeps everything in memory: give it back after each test."""
    s3, bucket, prefix = client(spec), spec.options["bucket_name"], spec.options["location"]
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
