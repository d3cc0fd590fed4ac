"""Who gets in where: every address of the portal with every method it takes, for each kind of visitor.

Add a line here for every new address; tests/web/test_permissions.py fails until it is there.
`IN` means that the view did or answered what it is for, also "this form has errors"; `OUT` the way
to the sign-in, 401 for programs; `HIDDEN` 404, as if it did not exist; `REFUSED` 403 with a reason.
"""

from dataclasses import dataclass, field

IN, OUT, HIDDEN, REFUSED = "in", "out", "hidden", "refused"
ROLES = ("anonymous", "stranger", "reader", "member", "owner", "staff")


def row(*outcomes):
    return dict(zip(ROLES, outcomes, strict=True))


EVERYBODY = row(IN, IN, IN, IN, IN, IN)
NOBODY = row(HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN)  # pages of allauth that the portal closes
SIGNED_IN = row(OUT, IN, IN, IN, IN, IN)
LOOK = row(OUT, HIDDEN, IN, IN, IN, IN)  # at an ISO of the account that is not public
WORK = row(OUT, HIDDEN, REFUSED, IN, IN, IN)
CREATE = row(OUT, IN, REFUSED, IN, IN, IN)  # in the own account
ACCOUNT = row(OUT, HIDDEN, IN, IN, IN, HIDDEN)  # of the account, where administrators have admin
OWN_UPLOAD = row(OUT, HIDDEN, HIDDEN, HIDDEN, IN, HIDDEN)
OWN_WORK = row(OUT, HIDDEN, REFUSED, IN, IN, HIDDEN)  # of the own account alone


@dataclass(frozen=True)
class Entry:
    """What each method answers whom. `sent` is the form (or, for the API, the JSON) that goes along."""

    methods: dict
    sent: dict = field(default_factory=dict)


def get(outcomes, **more):
    return Entry({"GET": outcomes} | more)


def post(outcomes, **sent):
    return Entry({"POST": outcomes}, sent)


def form(outcomes, **sent):
    return Entry({"GET": outcomes, "POST": outcomes}, sent)


ZONE = {"zones": ["zone-b"]}

PAGES = {
    "home": get(EVERYBODY),  # the way to the list
    # --- the library ---
    "isos:list": get(SIGNED_IN),
    "isos:upload": form(CREATE),
    "isos:check_name": get(SIGNED_IN),
    "isos:preflight": post(CREATE),
    "isos:bulk_copy": form(OWN_WORK, iso="{public_id}", **ZONE),
    "isos:bulk_delete": form(OWN_WORK, iso="{public_id}", zones=["zone-a"], confirmation="confirm"),
    "isos:detail": get(LOOK),
    "isos:progress": get(LOOK),
    "isos:download": Entry({"GET": LOOK, "HEAD": LOOK}),
    "isos:edit": form(WORK, os_type="linux"),
    "isos:links": form(WORK, lasts="1"),
    "isos:revoke_link": post(WORK),
    "isos:link": Entry({"GET": EVERYBODY, "HEAD": EVERYBODY}),  # whoever has it
    "isos:resume": get(WORK),
    "isos:file": post(row(OUT, HIDDEN, REFUSED, HIDDEN, IN, HIDDEN)),  # of who began the upload
    "isos:source": form(WORK),
    "isos:rename": form(WORK, name="Another name"),
    "isos:set_os": post(WORK, os_type="bsd"),
    "isos:copy": form(WORK, **ZONE),
    "isos:delete": form(WORK, zones=["zone-a"], confirmation="confirm"),
    "isos:cancel": post(WORK),
    "isos:retry": post(WORK),
    # --- tus ---
    "tus:collection": Entry({"OPTIONS": SIGNED_IN, "POST": CREATE}),
    "tus:upload": Entry({"OPTIONS": SIGNED_IN, "HEAD": OWN_UPLOAD, "PATCH": OWN_UPLOAD, "DELETE": OWN_UPLOAD}),
    # --- the account's record and usage: each its own ---
    "record:list": get(SIGNED_IN),
    "record:csv": get(SIGNED_IN),
    "record:notices": get(SIGNED_IN),
    "record:bell": get(SIGNED_IN),
    "record:choice": post(SIGNED_IN),
    "usage:month": get(SIGNED_IN),
    "usage:file": get(SIGNED_IN),
    # --- the user's own: profile and tokens ---
    "account_profile": get(SIGNED_IN),
    "account_api_tokens": get(SIGNED_IN),
    "account_revoke_token": post(row(OUT, HIDDEN, HIDDEN, HIDDEN, IN, HIDDEN)),
    # --- sign-in ---
    "account_login": get(EVERYBODY),
    "account_logout": get(SIGNED_IN),
    "account_inactive": get(EVERYBODY),
    "account_signup": get(EVERYBODY),  # says that it is closed
    "account_reauthenticate": get(SIGNED_IN),
    "account_change_password": get(SIGNED_IN),
    "account_set_password": get(EVERYBODY),  # the way to the one above
    "account_email": get(EVERYBODY),  # the way to the profile
    "account_email_verification_sent": get(NOBODY),
    "account_confirm_email": get(NOBODY),
    "account_confirm_login_code": get(NOBODY),
    "account_reset_password": get(EVERYBODY),
    "account_reset_password_done": get(EVERYBODY),
    "account_reset_password_from_key": get(EVERYBODY),
    "account_reset_password_from_key_done": get(EVERYBODY),
    "mfa_index": get(SIGNED_IN),
    "mfa_authenticate": get(SIGNED_IN),  # who is through already goes on
    "mfa_reauthenticate": get(SIGNED_IN),
    "mfa_activate_totp": get(SIGNED_IN),
    "mfa_deactivate_totp": get(row(OUT, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN)),  # has no second factor
    "mfa_view_recovery_codes": get(row(OUT, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN)),
    "mfa_generate_recovery_codes": get(row(OUT, IN, IN, IN, IN, IN)),
    "mfa_download_recovery_codes": get(row(OUT, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN)),
}

# By personal token of the widest scope; `anonymous` sends none. A session alone is nobody here.
API = {
    "api_docs": get(SIGNED_IN),
    "api:openapi-json": get(EVERYBODY),
    "api:api-root": get(NOBODY),  # named by the library, served by nobody
    "api:me": get(SIGNED_IN),
    "api:quota": get(SIGNED_IN),
    "api:zones": get(SIGNED_IN),
    "api:os_versions": get(SIGNED_IN),
    "api:isos": get(SIGNED_IN),
    "api:iso": Entry({"GET": LOOK, "PATCH": WORK}, {"name": "Another name"}),
    "api:iso_copies": post(WORK, **ZONE),
    "api:iso_deletions": post(WORK, zones=["zone-a"], confirmation="confirm"),
    "api:iso_cancel": post(WORK),
    "api:iso_download": get(LOOK),
    "api:iso_links": form(WORK, lasts=1),
    "api:iso_link_revoke": post(WORK),
    "api:iso_retry": post(WORK),
    "api:imports": post(CREATE, url="ftp://example.org/a.iso", name="x", zones=["zone-a"]),
    "api:address_checks": post(CREATE, url="ftp://example.org/a.iso"),
    "api:operations": get(SIGNED_IN),
    "api:operation": get(ACCOUNT),
}

MATRIX = PAGES | API

# What a stranger gets of an ISO that is public, beyond what he gets of one that is not.
OF_PUBLIC = {
    ("isos:detail", "GET"),
    ("isos:download", "GET"),
    ("isos:download", "HEAD"),
    ("api:iso", "GET"),
    ("api:iso_download", "GET"),
}
