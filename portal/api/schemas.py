"""What the API takes and gives. Sizes in bytes, times in UTC, places by their slugs, rows by their public ids."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from isos.fetching.urls import MAX_URL
from isos.models import Iso, IsoPrice, Operation, OsType
from isos.states import OperationState, ReplicaState
from portal.accounts.api_token import Scope
from zones.models import Zone

Slug = Annotated[str, Field(min_length=1, max_length=40)]
OsTypeName = Literal["linux", "windows", "bsd", "other"]
IsoState = Literal["ready", "progress", "failed", "deleting"]
Zones = Annotated[list[Slug], Field(min_length=1, max_length=100, description="Slugs of zones.")]


class Strict(Schema):
    """A body: what it does not know, or has another type, is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


# --- what is sent -----------------------------------------------------------------------


class ListQuery(Schema):
    """Which ISOs are listed."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["own", "public", "featured"] = Field(
        "own", description="The account's own, public ones of others, or featured ones."
    )
    q: str = Field("", max_length=200, description="Part of the name or description.")
    os_type: Literal["linux", "windows", "bsd", "other", ""] = ""
    zone: str = Field("", max_length=40, description="Slug of a zone that has it.")
    state: Literal["ready", "progress", "failed", "deleting", ""] = Field("", description="Of own ones only.")
    owner: Literal["mine", ""] = Field("", description="“mine”: uploaded by the token's user. Of own ones only.")
    sort: Literal["newest", "oldest", "name", "largest"] = "newest"
    page: int = Field(1, ge=1, le=1_000_000)


class OperationQuery(Schema):
    """Which operations are listed."""

    model_config = ConfigDict(extra="forbid")

    active: bool = Field(False, description="Only those that are queued or running.")
    page: int = Field(1, ge=1, le=1_000_000)


class AddressIn(Strict):
    url: str = Field(min_length=1, max_length=MAX_URL, description="http or https address of an ISO file.")


class ImportIn(AddressIn):
    """A new ISO from a web address."""

    name: str = Field(min_length=1, max_length=120)
    zones: Zones
    description: str = Field("", max_length=2000)
    os_type: OsTypeName = "other"
    os_version: str = Field("", max_length=80, description="Slug of one of the OS versions.")
    checksum: str = Field("", max_length=MAX_URL, description="A digest, or the address of a checksum file.")
    is_public: bool = False
    is_featured: bool = False
    is_extractable: bool = False


class IsoEdit(Strict):
    """What is to change; what is left out stays."""

    name: str | None = Field(None, min_length=1, max_length=120)
    description: str | None = Field(None, max_length=2000)
    os_type: OsTypeName | None = Field(None, description="Another type takes the version away.")
    os_version: str | None = Field(None, max_length=80, description="Slug of one of the OS versions; empty for none.")
    password_enabled: bool | None = None
    is_public: bool | None = None
    is_featured: bool | None = None
    is_extractable: bool | None = None


class CopyIn(Strict):
    zones: Zones


class DeleteIn(Strict):
    zones: Zones
    confirmation: Literal["confirm"] = Field(description="The word “confirm”, as it is typed on the page.")


class ZoneIn(Strict):
    """One zone of an ISO, or none: then it is about all of them that it applies to."""

    zone: Slug | None = None


class LinkIn(Strict):
    lasts: int = Field(
        24, description="How long the link stays open, in hours.", json_schema_extra={"enum": [1, 24, 168, 720]}
    )


# --- what is answered -------------------------------------------------------------------


class MoneyOut(Schema):
    """An exact amount."""

    amount: str = Field(description="A decimal number, as in “0.05”, with up to six decimals.")
    currency: str = Field(description="ISO 4217, as in “USD”.")


class PriceOut(MoneyOut):
    """What an image itself costs, beside the storage that it takes."""

    period: IsoPrice.Period = Field(description="What it is charged for.")


class UploadOut(Schema):
    """Where the rest of a file is sent, by tus."""

    url: str
    offset: int = Field(description="Bytes that are known to be durable.")
    length: int
    expires_at: datetime


class ZoneState(Schema):
    """An ISO in one zone."""

    zone: str
    name: str
    state: ReplicaState
    words: str = Field(description="The state as pages show it.")
    bytes_done: int
    bytes_total: int | None = None
    percent: int | None = None
    error_code: str = ""
    trouble: str = Field("", description="Why it failed, or why it takes longer than it should.")
    can_retry: bool = False
    storage_per_month: MoneyOut | None = Field(
        None, description="What keeping it there costs; null where there is no charge, and for ISOs of others."
    )
    operation: UUID | None = Field(None, description="The operation that works on it now.")
    upload: UploadOut | None = Field(None, description="The upload of the token's user that is under way.")


class IsoOut(Schema):
    id: UUID
    name: str
    description: str
    account: str = Field(description="Name of the account that owns it.")
    is_own: bool
    os_type: OsType
    os_version: str | None
    is_public: bool
    is_featured: bool
    is_extractable: bool
    password_enabled: bool
    source: Iso.Source
    file_name: str
    size: int | None = Field(description="Declared until the ISO is verified.")
    sha256: str | None
    state: IsoState
    status: str = Field(description="For people, as in “Available in 2 of 3 zones”.")
    created_at: datetime
    registered_at: datetime | None = Field(description="When it first was Ready.")
    zones: list[ZoneState]
    price: PriceOut | None = Field(description="Null where there is no charge.")
    page_url: str


class IsoPage(Schema):
    items: list[IsoOut]
    count: int = Field(description="How many there are on all pages.")
    page: int
    next: str | None = Field(description="Address of the next page; null on the last one.")


class AddressOut(Schema):
    """What stands at an address."""

    host: str
    url: str = Field(description="Without credentials.")
    file_name: str
    size: int | None
    content_type: str
    resumable: bool
    volume_label: str
    bootable: bool


class ZoneOut(Schema):
    slug: str
    name: str
    description: str
    state: Zone.State
    state_reason: str
    price_per_gb_month: MoneyOut | None = Field(description="Null where there is no charge.")


class OsVersionOut(Schema):
    slug: str
    name: str
    os_type: OsType


class LinkOut(Schema):
    """A link by which an ISO can be downloaded without signing in."""

    id: UUID
    ends_in: str = Field(description="The last characters of its address, to tell links apart.")
    made_by: str
    is_open: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    uses: int = Field(description="Downloads that were begun.")


class LinkMadeOut(LinkOut):
    """The same with the address, which is told once."""

    address: str


class OperationOut(Schema):
    id: UUID
    kind: Operation.Kind
    state: OperationState
    phase: str
    iso: UUID | None = Field(description="Null where the ISO is gone by now.")
    iso_name: str
    zone: str
    bytes_done: int
    bytes_total: int | None
    percent: int | None
    error_code: str
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationPage(Schema):
    items: list[OperationOut]
    count: int
    page: int
    next: str | None


class QuotaOut(Schema):
    """Limits and what counts against them, what is still on its way too."""

    max_isos: int
    max_bytes: int
    max_iso_bytes: int
    max_uploads: int
    isos: int
    bytes: int
    held_bytes: int = Field(description="The part of bytes that is not Ready yet.")
    uploads: int


class TokenOut(Schema):
    name: str
    scope: Scope
    expires_at: datetime


class MeOut(Schema):
    username: str
    name: str
    account: str
    role: str
    is_staff: bool
    rights: list[str] = Field(description="What the role lets the user do to the account's ISOs.")
    token: TokenOut
