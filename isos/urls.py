"""Addresses of the library's pages. They stay put (see docs/architecture.md)."""

from django.urls import path

from isos.views import bulk, copying, detail, download, editing, importing, listing, upload, verbs

app_name = "isos"
urlpatterns = [
    path("", listing.iso_list, name="list"),
    path("upload/", upload.upload_form, name="upload"),
    path("upload/check-name/", upload.check_name, name="check_name"),
    path("preflight/", importing.check_address, name="preflight"),
    path("bulk/copy/", bulk.bulk_copy, name="bulk_copy"),
    path("bulk/delete/", bulk.bulk_delete, name="bulk_delete"),
    path("<uuid:public_id>/", detail.iso_detail, name="detail"),
    path("links/<slug:token>/", download.download_by_link, name="link"),
    path("<uuid:public_id>/edit/", editing.edit_iso, name="edit"),
    path("<uuid:public_id>/download/", download.download_iso, name="download"),
    path("<uuid:public_id>/links/", download.download_links, name="links"),
    path("<uuid:public_id>/links/<uuid:link_id>/revoke/", download.revoke_download_link, name="revoke_link"),
    path("<uuid:public_id>/progress/", upload.progress, name="progress"),
    path("<uuid:public_id>/resume/", upload.resume, name="resume"),
    path("<uuid:public_id>/file/", upload.other_file, name="file"),
    path("<uuid:public_id>/source/", importing.change_source, name="source"),
    path("<uuid:public_id>/rename/", verbs.rename_iso, name="rename"),
    path("<uuid:public_id>/os/", verbs.set_iso_os, name="set_os"),
    path("<uuid:public_id>/copy/", copying.copy_iso, name="copy"),
    path("<uuid:public_id>/delete/", verbs.delete_iso, name="delete"),
    path("<uuid:public_id>/cancel/", verbs.cancel_iso, name="cancel"),
    path("<uuid:public_id>/retry/", verbs.retry_iso, name="retry"),
]
