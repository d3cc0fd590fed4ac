"""Turns what requests, urllib3, TLS and sockets raise into FetchErrors."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3

from isos.fetching.errors import BadAnswer, BadUrl, Broken, FetchError, ProxyTrouble, TimedOut, TlsProblem, Unreachable
from portal.kernel.errors import PortalError


@contextmanager
def typed_errors(host: str) -> Iterator[None]:
    """Whatever goes wrong on the line to `host` leaves as a FetchError."""
    try:
        yield
    except PortalError:
        raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise _typed(error, host) from error


def _typed(error: BaseException, host: str) -> FetchError:
    chain = list(_causes(error))
    if any(isinstance(one, ssl.SSLCertVerificationError | ssl.CertificateError) for one in chain):
        return TlsProblem.host(host)
    if any(isinstance(one, requests.exceptions.ProxyError | urllib3.exceptions.ProxyError) for one in chain):
        return ProxyTrouble()
    if any(isinstance(one, ssl.SSLError) and not isinstance(one, _SSL_CUT) for one in chain):
        return TlsProblem(f"No protected connection to {host} could be made. Check the address, or use another mirror.")
    if any(isinstance(one, _TIMEOUTS) for one in chain):
        return TimedOut()
    if any(isinstance(one, _CUT) for one in chain):
        return Broken()
    if any(isinstance(one, _MALFORMED) for one in chain):
        return BadAnswer()
    if any(isinstance(one, requests.exceptions.InvalidURL) for one in chain):
        return BadUrl()
    if any(isinstance(one, requests.exceptions.ConnectTimeout) for one in chain):
        return Unreachable.host(host)
    return Broken()


_SSL_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TIMEOUTS = (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
_CUT = (
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    urllib3.exceptions.IncompleteRead,
    ConnectionError,
    *_SSL_CUT,
)
_MALFORMED = (
    http.client.HTTPException,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.InvalidHeader,
    urllib3.exceptions.HeaderParsingError,
    urllib3.exceptions.InvalidChunkLength,
    ValueError,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, also what requests and urllib3 keep in `args` and `reason`."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(each for each in inner if isinstance(each, BaseException))
