"""Roles of users. Whoever was there before could do everything, and stays able to: an owner."""

from django.db import migrations, models


def make_owners(apps, schema_editor):
    apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias).update(role="owner")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_cache_table")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="role",
            field=models.CharField(
                choices=[("owner", "Owner"), ("member", "Member"), ("read_only", "Read-only")],
                default="member",
                help_text="Owners also make images public. Read-only users look and download. See the documentation's table.",
                max_length=10,
            ),
        ),
        migrations.RunPython(make_owners, migrations.RunPython.noop),
    ]
