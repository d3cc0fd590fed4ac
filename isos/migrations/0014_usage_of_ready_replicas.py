"""Usage of replicas that were Ready before usage was written down: from when they became Ready."""

from django.db import migrations
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce


def begin(apps, schema_editor):
    """One open span for each Ready replica that has none.

    It became Ready when the last job that brought its bytes succeeded. Where that job is not known any more, it is
    the ISO's registration that is taken, which no replica precedes.
    """
    Operation, Replica = apps.get_model("isos", "Operation"), apps.get_model("isos", "Replica")
    UsageSpan = apps.get_model("quotas", "UsageSpan")
    brought = Operation.objects.filter(replica=OuterRef("pk"), kind__in=("ingest", "fetch", "copy"), state="succeeded")
    last = Subquery(brought.order_by("-finished_at").values("finished_at")[:1])
    ready = Replica.objects.filter(state="ready").annotate(since=Coalesce(last, "iso__ready_at", "created_at"))
    counted = set(UsageSpan.objects.filter(ended_at=None).values_list("replica_ref", flat=True))
    spans = (
        UsageSpan(
            account_id=replica.iso.account_id,
            zone_id=replica.zone_id,
            iso_ref=replica.iso.public_id,
            iso_name=replica.iso.name,
            replica_ref=replica.public_id,
            bytes=replica.iso.size or 0,
            began_at=replica.since,
        )
        for replica in ready.select_related("iso").iterator()
        if replica.public_id not in counted
    )
    UsageSpan.objects.bulk_create(spans, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [
        ("isos", "0011_iso_price"),
        ("quotas", "0005_usage_spans"),
    ]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
