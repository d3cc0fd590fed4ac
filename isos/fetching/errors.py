"""What can go wrong with an address that a user gave, each with one sentence that says what to do.

`retryable` tells whether waiting can heal it. No sentence holds more of an address than its host.
"""

from __future__ import annotations

from portal.kernel.errors import PortalError
from portal.kernel.text import human_bytes


class FetchError(PortalError):
    """The portal could not get what is at the address."""

    code = "fetch_error"
    status = 422
    default_message = "The file could not be fetched from this address. Check the address, then try again."

    def __init__(self, message: str = "", *, code: str = "", field: str = "url", retry_after: float = 0) -> None:
        super().__init__(message, code=code, field=field)
        self.retry_after = retry_after


class BadUrl(FetchError):
    """Not an address that can be fetched, whoever asks."""

    code = "bad_url"
    default_message = "This is not a complete web address. Write all of it, for example https://example.org/image.iso."


class RefusedAddress(FetchError):
    """The operator's rules forbid to contact it. The sentence never tells what stands there."""

    code = "refused_address"
    default_message = (
        "This address is not on the public internet, so the portal does not contact it. "
        "Use a public address, or upload the file from your computer."
    )


class NameNotFound(FetchError):
    code = "name_not_found"
    default_message = "There is no server with this name. Check the address for typing errors."


class Unreachable(FetchError):
    """No connection: refused, no route, or nobody answers."""

    code = "unreachable"
    retryable = True
    default_message = "The server can't be reached right now. Try again later."

    @classmethod
    def host(cls, host: str) -> Unreachable:
        return cls(f"The server {host} can't be reached right now. Check the address, or try again later.")


class TimedOut(FetchError):
    code = "source_timeout"
    retryable = True
    default_message = "The server took too long to answer. Try again later."


class SlowSource(FetchError):
    code = "source_slow"
    retryable = True
    default_message = "The server sends the file too slowly to finish. Try again later, or use another mirror."


class Broken(FetchError):
    """The connection ended before the file did."""

    code = "source_broken"
    retryable = True
    default_message = "The connection to the server broke before the whole file had come. Try again."


class BadAnswer(FetchError):
    """What came is not HTTP as it should be."""

    code = "bad_answer"
    retryable = True
    default_message = "The server's answer can't be understood. Try again later, or use another mirror."


class TlsProblem(FetchError):
    code = "tls_problem"

    @classmethod
    def host(cls, host: str) -> TlsProblem:
        return cls(
            f"The server {host} can't prove who it is: its certificate is not valid. "
            "Use another mirror, or tell the server's owner."
        )


class RedirectProblem(FetchError):
    code = "redirect_problem"
    default_message = "This address leads from one address to the next without an end. Use the file's own address."


class InsecureRedirect(FetchError):
    code = "insecure_redirect"
    default_message = (
        "This https address leads on to an unprotected http address, which the portal does not follow. "
        "Use another mirror."
    )


class NotThere(FetchError):
    code = "source_missing"
    default_message = "The server has no file at this address. Check the address for typing errors."


class Private(FetchError):
    """It exists for others: a sign-in is needed, or access is forbidden."""

    code = "source_private"
    default_message = (
        "The server does not give this file to everyone. Use an address that opens without signing in, "
        "or upload the file from your computer."
    )


class WebPage(FetchError):
    code = "source_page"
    default_message = (
        "There is a web page at this address, not a file. Open it in your browser and copy the address of the "
        "download itself: it usually ends in .iso."
    )


class Folder(FetchError):
    code = "source_folder"
    default_message = "This address is a folder. Open it and copy the address of the one file."


class Busy(FetchError):
    """The server asks to come back later (429, 503); `retry_after` in seconds."""

    code = "source_busy"
    retryable = True
    default_message = "The server is too busy right now. Try again in some minutes."


class ServerTrouble(FetchError):
    code = "source_trouble"
    retryable = True
    default_message = "The server has a problem of its own. Try again later, or use another mirror."


class RefusedByServer(FetchError):
    code = "source_refused"

    @classmethod
    def answered(cls, status: int) -> RefusedByServer:
        return cls(f"The server refuses to send this file (HTTP {status}). Check the address, or use another mirror.")


class EncodedBody(FetchError):
    """Compressed for the way: its length and ranges would be those of other bytes."""

    code = "source_encoded"
    default_message = (
        "The server sends this file compressed although it was asked not to. Use another mirror, "
        "or upload the file from your computer."
    )


class EmptyFile(FetchError):
    code = "source_empty"
    default_message = "The file at this address is empty. Check the address, or use another mirror."


class TooLarge(FetchError):
    code = "source_too_large"

    @classmethod
    def limit(cls, limit: int) -> TooLarge:
        return cls(
            f"The server sends more than the {human_bytes(limit)} that one ISO may have here. Use a smaller one."
        )


class SourceChanging(FetchError):
    code = "source_changing"
    default_message = (
        "The file at this address changed again and again while it was fetched. "
        "Try again when its publisher has finished."
    )


class ProxyTrouble(FetchError):
    code = "proxy_trouble"
    status = 502
    retryable = True
    default_message = "The portal's way to the internet is disturbed. Try again later, or tell your administrator."


class BadChecksum(FetchError):
    """What was given is neither a digest nor a checksum file that names the image."""

    code = "bad_checksum"

    def __init__(self, message: str = "", *, code: str = "", field: str = "checksum", retry_after: float = 0) -> None:
        super().__init__(message, code=code, field=field, retry_after=retry_after)
