from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("zones", "0004_zone_check")]
    operations = [
        migrations.AddField(
            model_name="zone",
            name="direct_downloads",
            field=models.BooleanField(
                default=True,
                help_text="Where the storage can (S3), downloads are sent to it by an address that expires. Switch it off"
                " where users can't reach the storage; downloads then pass through the portal.",
            ),
        ),
    ]
