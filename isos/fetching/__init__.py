"""Bringing a file from the web: the only room from which the portal sends requests to addresses that users give.

    addresses   which IP addresses may be contacted
    urls        one spelling for each address that a user may write, and how it is shown
    policy      what the operator allows and how long to wait
    guard       Fetcher: the one session through which every request goes
    errors      what can go wrong, each with its sentence
    answers     what an HTTP answer says: length, ranges, validators, names, refusals
    locations   share links and object addresses that stand for a download
    source      HttpSource: a download that can be gone on with
    segments    one content over several connections at once, in order
    widening    how many connections help
    preflight   the verdict on an address before anything is fetched
    checksums   digests and checksum files

Why no library guards the session: docs/adr/0030.
"""
