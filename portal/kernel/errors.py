"""The one family of errors that a person may read.

Every error that reaches a user is a `PortalError`: a stable `code` for programs, an HTTP
`status`, one plain sentence (what happened, what to do next), and whether trying again by
itself can heal it. Rendering happens in one place for pages, tus and operations alike.
"""

from __future__ import annotations


class PortalError(Exception):
    """A failure with a sentence for the user.

    `message` is shown as it is: it must name what happened and what to do next, and never
    hold a credential, a server path or a stack trace.
    """

    code: str = "error"
    status: int = 400
    retryable: bool = False
    retry_after: float = 0  # seconds that should pass before that
    default_message: str = "Something went wrong. Try again."

    def __init__(self, message: str = "", *, code: str = "", field: str = "") -> None:
        self.message = message or self.default_message
        if code:
            self.code = code
        self.field = field
        super().__init__(self.message)


class NotAllowed(PortalError):
    """The user may see the thing, but not do this to it."""

    code = "not_allowed"
    status = 403
    default_message = "You are not allowed to do this."


class InvalidInput(PortalError):
    """What was sent can't be used; `field` names the form field it belongs to."""

    code = "invalid"
    status = 422


class Conflict(PortalError):
    """The thing is in a state in which this can't be done now."""

    code = "conflict"
    status = 409
