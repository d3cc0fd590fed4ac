"""The library's rows. Only actions, operations and quotas.reservations write them."""

from isos.models.download_link import DownloadLink
from isos.models.event import Event
from isos.models.iso import Iso, OsType, OsVersion
from isos.models.notice import Notice, NoticeChoice
from isos.models.operation import Operation
from isos.models.price import IsoPrice
from isos.models.replica import Replica
from isos.models.upload import Upload
from isos.models.url_import import UrlImport

__all__ = [
    "DownloadLink",
    "Event",
    "Iso",
    "IsoPrice",
    "Notice",
    "NoticeChoice",
    "Operation",
    "OsType",
    "OsVersion",
    "Replica",
    "Upload",
    "UrlImport",
]
