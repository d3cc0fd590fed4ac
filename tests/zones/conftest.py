from tests.contracts.mounts import mounts
from tests.isos.conftest import actor, iso_bytes, start
from tests.s3 import s3_server

__all__ = ["actor", "iso_bytes", "mounts", "s3_server", "start"]
