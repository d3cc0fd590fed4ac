"""What users may type, and the sentences that answer what can't be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django import forms
from django.http import QueryDict

from isos.actions.import_url import checked_address, given_checksum
from isos.actions.naming import require_free_name
from isos.actions.start_upload import NewIso
from isos.errors import NameTaken
from isos.fetching.checksums import parse_digest
from isos.fetching.urls import MAX_URL
from isos.models import Iso, OsType, OsVersion
from isos.queries import OWNERSHIPS, SCOPES, SORTS, STATES, Filters
from portal.accounts.models import User
from portal.accounts.roles import Right
from portal.kernel.errors import PortalError
from zones.models import Zone


class NameField(forms.CharField):
    """The name of an ISO: one line, trimmed, no control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=Iso._meta.get_field("name").max_length,
            error_messages={
                "required": "Enter a name.",
                "max_length": "Use at most %(limit_value)d characters; this name has %(show_value)d.",
            },
            **kwargs,
        )

    def to_python(self, value: Any) -> str:
        return " ".join((super().to_python(value) or "").split())

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not value.isprintable():
            raise forms.ValidationError("The name has a character that can't be shown. Type it again.")


class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """An operating system release, grouped by OS type so that the list makes sense without a script."""

    def __init__(self, **kwargs: Any) -> None:
        queryset = OsVersion.objects.filter(active=True)
        super().__init__(queryset, to_field_name="slug", **kwargs)
        self.error_messages["invalid_choice"] = "That version is not in the list. Choose another."
        self.choices = _versions_by_type


def _versions_by_type() -> list[tuple[str, Any]]:
    """Choices for the widget: `Not specified`, then one group per OS type. One query."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for version in OsVersion.objects.filter(active=True):
        groups.setdefault(version.get_os_type_display(), []).append((version.slug, version.name))
    return [("", "Not specified"), *groups.items()]


class FileForm(forms.Form):
    """The file to come, as the browser knows it before a byte travels."""

    filename = forms.CharField(
        max_length=255,
        error_messages={
            "required": "Choose an ISO file.",
            "max_length": "The file’s name is longer than %(limit_value)d characters. Rename the file, then choose it.",
        },
    )
    size = forms.IntegerField(
        max_value=10**18,
        error_messages={
            "required": "Choose an ISO file.",
            "invalid": "Choose an ISO file.",
            "max_value": "The file is larger than any storage. Choose another file.",
        },
    )
    fingerprint = forms.RegexField(r"^[0-9a-f]{64}\Z", required=False)

    def clean_filename(self) -> str:
        name: str = self.cleaned_data["filename"]
        if not name.isprintable():
            raise forms.ValidationError(
                "The file’s name has a character that can't be shown. Rename it, then choose it."
            )
        if not name.lower().endswith(".iso"):
            raise forms.ValidationError("Only .iso files can be uploaded. Choose a file whose name ends in .iso.")
        return name

    def clean_size(self) -> int:
        size: int = self.cleaned_data["size"]
        if size <= 0:
            raise forms.ValidationError("The file is empty. Choose another file.")
        return size


class FlagsForm(forms.Form):
    """Flags of an ISO, of which some are not everybody's to set.

    Those are switched off in the page. What a program sends for them all the same is taken, so
    that the action refuses it and writes it down.
    """

    is_public = forms.BooleanField(label="Public", required=False)
    is_featured = forms.BooleanField(label="Featured", required=False)
    is_extractable = forms.BooleanField(label="Extractable", required=False)

    def reserve_flags(self, rights: frozenset[Right]) -> None:
        """Switch off what somebody with these rights may not set."""
        self.reserved = [
            name
            for name, right in (("is_public", Right.PUBLISH), ("is_featured", Right.FEATURE))
            if right not in rights
        ]
        for name in self.reserved:
            self.fields[name].widget.attrs["disabled"] = True


class IsoForm(FlagsForm):
    """What the user says of a new ISO, wherever its bytes come from."""

    os_type = forms.ChoiceField(label="OS type", choices=OsType.choices, initial=OsType.LINUX)
    os_version = VersionField(label="Version", required=False)
    checksum = forms.CharField(
        label="Checksum",
        required=False,
        max_length=MAX_URL,
        widget=forms.TextInput(
            attrs={
                "class": "mono",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "Paste to verify the file",
                "aria-describedby": "checksum-hint",
            }
        ),
    )
    name = NameField(label="Name")
    description = forms.CharField(
        label="Description",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "Purpose or contents"}),
    )
    zones = forms.ModelMultipleChoiceField(
        Zone.objects.all(),
        to_field_name="slug",
        error_messages={"required": "Choose at least one zone.", "invalid_choice": "There is no zone “%(value)s”."},
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.reserve_flags(user.rights_in(user.account_id))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            require_free_name(self.user.account, name)
        except NameTaken as error:
            raise forms.ValidationError(error.message) from None
        return name

    def clean_zones(self) -> list[Zone]:
        """In the order in which they are listed. Each that takes nothing now is an error of its own."""
        zones = list(self.cleaned_data["zones"])
        closed = [zone for zone in zones if not zone.is_active]
        if closed:
            raise forms.ValidationError(
                [
                    forms.ValidationError(f"{zone} takes no new images now. Choose another.", code=f"zone-{zone.slug}")
                    for zone in closed
                ]
            )
        return zones

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        version, os_type = data.get("os_version"), data.get("os_type")
        if version and os_type and version.os_type != os_type:
            self.add_error("os_version", f"{version} is not a {OsType(os_type).label} version. Choose one that fits.")
        return data

    def new_iso(self) -> NewIso:
        """What was typed, as the actions take it; where the bytes come from is not part of it."""
        fields = {name: value for name, value in self.cleaned_data.items() if name in NewIso.__dataclass_fields__}
        first, *more = self.cleaned_data["zones"]
        return NewIso(zone=first, more_zones=tuple(more), **fields)


class UploadForm(IsoForm, FileForm):
    """A new ISO from the user's machine."""

    def clean_checksum(self) -> str:
        """A SHA-256; also takes a line of a SHA256SUMS file: `digest  name`."""
        text: str = self.cleaned_data["checksum"]
        if not text.strip():
            return ""
        try:
            checksum = parse_digest(text)
        except PortalError:
            raise forms.ValidationError(
                "A SHA-256 checksum has 64 characters, 0-9 and a-f. Paste it again or leave it empty."
            ) from None
        if checksum.algorithm != "sha256":
            raise forms.ValidationError(
                f"This checksum is of the kind {checksum.label}. A file from your computer is compared by its SHA-256: "
                "paste that one or leave it empty."
            )
        return checksum.digest

    def new_iso(self) -> NewIso:
        data = self.cleaned_data
        return replace(super().new_iso(), source_name=data["filename"], expected_sha256=data["checksum"])


class SourceForm(forms.Form):
    """Where a file is fetched from, and what it is compared with."""

    url = forms.CharField(
        label="Image URL",
        max_length=MAX_URL,
        error_messages={
            "required": "Enter the address of an ISO file.",
            "max_length": "This address is longer than %(limit_value)d characters. Use a shorter one.",
        },
        widget=forms.URLInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "https://example.org/image.iso",
                "aria-describedby": "url-hint url-error",
            }
        ),
    )
    checksum = forms.CharField(label="Checksum", required=False, max_length=MAX_URL)

    def clean_url(self) -> str:
        return _understood(self.cleaned_data["url"], checked_address)

    def clean_checksum(self) -> str:
        """A digest, or the address of a checksum file."""
        return _understood(self.cleaned_data["checksum"], given_checksum)


def _understood(text: str, check: Callable[[str], object]) -> str:
    """`text` as it was typed, provided that `check` can make something of it."""
    try:
        check(text)
    except PortalError as error:
        raise forms.ValidationError(error.message) from None
    return text.strip()


class ImportForm(IsoForm, SourceForm):
    """A new ISO from a web address."""

    field_order = ["url"]


class EditForm(FlagsForm):
    """What can be said anew of an ISO that exists.

    The page sends along what it showed, so that a form that lay open for long changes only what
    its user changed, not what others did meanwhile.
    """

    description = forms.CharField(
        label="Description", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    os_type = forms.ChoiceField(label="OS type", choices=OsType.choices)
    os_version = VersionField(label="Version", required=False)
    password_enabled = forms.BooleanField(label="Password Enabled", required=False)

    def __init__(self, data: QueryDict | None, *, iso: Iso, rights: frozenset[Right]) -> None:
        super().__init__(data, initial={name: getattr(iso, name) for name in self.base_fields})
        self.initial["os_version"] = iso.os_version.slug if iso.os_version else ""
        for field in self.fields.values():
            field.show_hidden_initial = True
        self.reserve_flags(rights)

    def changes(self) -> dict[str, Any]:
        """What was changed, for actions.edit. A flag that the page switched off is sent by programs alone."""
        sent = [name for name in self.changed_data if name not in self.reserved or self.add_prefix(name) in self.data]
        return {name: self.cleaned_data[name] for name in sent}


class LinkForm(forms.Form):
    """How long a download link stays open, in hours."""

    lasts = forms.TypedChoiceField(
        label="Open for",
        coerce=int,
        choices=[(1, "1 hour"), (24, "1 day"), (168, "7 days"), (720, "30 days")],
        initial=24,
        error_messages={"invalid_choice": "Choose one of the times in the list.", "required": "Choose a time."},
    )


class RenameForm(forms.Form):
    name = NameField(label="New name")


class OsForm(forms.Form):
    """Operating system of an ISO that exists."""

    os_type = forms.ChoiceField(choices=OsType.choices)
    os_version = VersionField(required=False)


class ListForm(forms.Form):
    """The list's toolbar. Values that make no sense are dropped, never an error page."""

    scope = forms.ChoiceField(required=False, choices=[*SCOPES.items()], widget=forms.HiddenInput)
    q = forms.CharField(
        label="Search ISO images",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Search by name or description"}),
    )
    os_type = forms.ChoiceField(label="OS type", required=False, choices=[("", "All OS types"), *OsType.choices])
    zone = forms.ModelChoiceField(
        Zone.objects.all(), label="Zone", to_field_name="slug", required=False, empty_label="All zones"
    )
    state = forms.ChoiceField(label="State", required=False, choices=[("", "Any state"), *STATES.items()])
    owner = forms.ChoiceField(label="Uploaded by", required=False, choices=[("", "By anyone"), *OWNERSHIPS.items()])
    sort = forms.ChoiceField(
        label="Sort by", required=False, choices=[(key, label) for key, (label, _) in SORTS.items()]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():  # the toolbar has no room for labels beside its controls
            field.widget.attrs["aria-label"] = field.label

    def filters(self) -> Filters:
        self.is_valid()
        data = self.cleaned_data
        zone = data.get("zone")
        return Filters(
            scope=data.get("scope", ""),
            q=data.get("q", ""),
            os_type=data.get("os_type", ""),
            zone=zone.slug if zone else "",
            state=data.get("state", ""),
            owner=data.get("owner", ""),
            sort=data.get("sort") or "newest",
        )
