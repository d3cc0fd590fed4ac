"""What an ISO image says of itself, found by few bounded reads at known places.

    signatures  what else the first bytes could be (QCOW2, a web page, an archive …)
    head        the verdict on the first 64 KiB: an ISO image and nothing else
    volume      ISO 9660 volume descriptors
    boot        El Torito boot catalogue, MBR and GPT of hybrid images
    tree        directory look-ups, to learn for which processors an image boots
    udf         the UDF half of bridge images
    reader      the limits that all of these read under
    report      Inspection: the findings put together

Nothing is ever mounted or extracted, no file of the image is opened, and no look-up follows
more than a fixed number of pointers. Why no library walks the image: docs/adr/0020.
"""

from isos.inspection.head import HEAD_BYTES, Head, check_head
from isos.inspection.report import Inspection, inspect

__all__ = ["HEAD_BYTES", "Head", "Inspection", "check_head", "inspect"]
