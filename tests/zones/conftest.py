from tests.contracts.mounts import mounts
from tests.s3 import s3_server

__all__ = ["mounts", "s3_server"]
