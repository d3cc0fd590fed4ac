"""A Django storage backend of somebody else's."""

from django.core.files.storage import FileSystemStorage


class PlainStorage(FileSystemStorage):
    """Not FileSystemStorage itself: the portal must not take it for a directory that it may use as one."""
