from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('zones', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='zone',
            name='marked_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
