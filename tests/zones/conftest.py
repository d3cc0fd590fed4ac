from tests.contracts.mounts import mounts

__all__ = ["mounts"]
