"""The library in Django admin. Rows are for looking: what changes them are actions, never forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from isos import audit, event_admin, operation_admin, price_admin  # noqa: F401 - they register themselves
from isos.account_admin import AccountSupportAdmin, AuditedUserAdmin
from isos.audited_admin import Audited, words_of_change
from isos.models import Event, Iso, OsVersion, Replica, Upload, UrlImport
from isos.read_only_admin import ReadOnly
from isos.zone_admin import ZoneWithHealthAdmin
from portal.accounts.models import Account, User
from portal.assets import OS_ICONS
from portal.kernel.text import human_bytes
from quotas import usage_spans
from quotas.admin import QuotaLimitAdmin
from quotas.models import QuotaLimit
from zones.models import Zone

if TYPE_CHECKING:
    OsVersionModelAdmin = admin.ModelAdmin[OsVersion]
    IsoModelAdmin = admin.ModelAdmin[Iso]
    UploadModelAdmin = admin.ModelAdmin[Upload]
    UrlImportModelAdmin = admin.ModelAdmin[UrlImport]
    ReplicaTabularInline = admin.TabularInline[Replica, Iso]
else:  # Django's classes take no parameters when they run
    OsVersionModelAdmin = IsoModelAdmin = admin.ModelAdmin
    UploadModelAdmin = UrlImportModelAdmin = admin.ModelAdmin
    ReplicaTabularInline = admin.TabularInline


@admin.register(OsVersion)
class OsVersionAdmin(OsVersionModelAdmin):
    list_display = ("name", "os_type", "match", "position", "active")
    list_editable = ("position", "active")
    list_filter = ("os_type", "active")
    search_fields = ("name", "slug", "match")
    prepopulated_fields = {"slug": ("name",)}

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """An icon is one of the sprite's: another name would show nothing."""
        if db_field.name == "icon":
            choices = [("", "The OS type's own"), *((name, name) for name in sorted(OS_ICONS))]
            return forms.ChoiceField(choices=choices, required=False, label="icon")
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class ReplicaInline(ReadOnly, ReplicaTabularInline):
    model = Replica
    fields = ("zone", "state", "error_message", "verified_at", "public_id")
    readonly_fields = fields


@admin.register(Iso)
class IsoAdmin(IsoModelAdmin):
    """Administrators set what is theirs to set: featured, and the words."""

    list_display = ("name", "account", "os_type", "size_text", "state", "is_public", "is_featured", "created_at")
    list_filter = ("os_type", "is_public", "is_featured", "is_extractable", "replicas__zone", "replicas__state")
    list_select_related = ("account",)
    search_fields = ("name", "description", "public_id", "sha256", "account__name")
    fields = (
        "name", "description", "account", "created_by", "os_type", "os_version", "is_public", "is_featured",
        "is_extractable", "password_enabled", "size_text", "sha256", "expected_sha256", "source_name", "public_id",
        "created_at", "ready_at", "inspection",
    )  # fmt: skip
    readonly_fields = (
        "account", "created_by", "size_text", "sha256", "expected_sha256", "source_name", "public_id", "created_at",
        "ready_at", "inspection",
    )  # fmt: skip
    inlines = (ReplicaInline,)

    def save_model(self, request: HttpRequest, obj: Iso, form: forms.ModelForm[Iso], change: bool) -> None:
        """What administrators change stands in the ISO's activity like what its owners change."""
        super().save_model(request, obj, form, change)
        if "name" in form.changed_data:
            usage_spans.renamed(obj.public_id, obj.name)
        for name in form.changed_data:
            before, after = str(form[name].initial), str(form.cleaned_data[name])
            if name == "os_version":  # a form knows its number alone
                before, after = words_of_change(form, name)
            audit.record(Event.Verb.EDITED, obj, audit.Actor.of(request), field=name, before=before, after=after)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Iso]:
        return super().get_queryset(request).prefetch_related("replicas")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # content comes by upload only

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # a row without its bytes' delete would leave orphans

    @admin.display(description="size", ordering="size")
    def size_text(self, iso: Iso) -> str:
        return human_bytes(iso.size)


@admin.register(Upload)
class UploadAdmin(ReadOnly, UploadModelAdmin):
    list_display = ("created_at", "filename", "user", "zone", "received", "state", "expires_at", "is_receiving_now")
    list_filter = ("state", "replica__zone")
    list_select_related = ("user", "replica__zone")
    search_fields = ("filename", "public_id", "user__username")

    @admin.display(description="zone")
    def zone(self, upload: Upload) -> str:
        return upload.replica.zone.name

    @admin.display(description="received")
    def received(self, upload: Upload) -> str:
        return f"{human_bytes(upload.offset)} of {human_bytes(upload.length)}"

    @admin.display(description="receiving now", boolean=True)
    def is_receiving_now(self, upload: Upload) -> bool:
        return upload.lock_expires is not None and upload.lock_expires > timezone.now()


@admin.register(UrlImport)
class UrlImportAdmin(ReadOnly, UrlImportModelAdmin):
    """Redacted addresses only: whole ones may be signed, and that is a credential of the user's."""

    list_display = (
        "created_at",
        "shown_url",
        "iso",
        "user",
        "zone",
        "state",
        "size_text",
        "restarts",
        "checksum_origin",
    )
    list_filter = ("replica__state", "checksum_origin", "replica__zone")
    list_select_related = ("user", "replica__iso", "replica__zone")
    search_fields = ("shown_url", "replica__iso__name", "replica__public_id", "user__username")
    date_hierarchy = "created_at"
    fields = (
        "created_at", "shown_url", "iso", "user", "zone", "state", "error", "size_text", "validator", "restarts",
        "checksum", "checksum_origin", "shown_checksum_url", "checksum_sought",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="ISO")
    def iso(self, url_import: UrlImport) -> str:
        return url_import.replica.iso.name

    @admin.display(description="zone")
    def zone(self, url_import: UrlImport) -> str:
        return url_import.replica.zone.name

    @admin.display(description="state", ordering="replica__state")
    def state(self, url_import: UrlImport) -> str:
        return url_import.replica.get_state_display()

    @admin.display(description="error")
    def error(self, url_import: UrlImport) -> str:
        return url_import.replica.error_message

    @admin.display(description="size", ordering="size")
    def size_text(self, url_import: UrlImport) -> str:
        return "unknown" if url_import.size is None else human_bytes(url_import.size)


# Pages with what is in them, and changes written into the audit trail. Registered from here, because zones and accounts
# can't import isos.
class AuditedQuotaAdmin(Audited, QuotaLimitAdmin):
    """Limits on their own page, written down like those on the page of their account."""


for model in (Zone, Account, User, QuotaLimit):
    admin.site.unregister(model)
admin.site.register(Zone, ZoneWithHealthAdmin)
admin.site.register(Account, AccountSupportAdmin)
admin.site.register(User, AuditedUserAdmin)
admin.site.register(QuotaLimit, AuditedQuotaAdmin)
