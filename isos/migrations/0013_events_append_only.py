"""The database itself refuses to change or delete events, whatever program asks.

Only links to what goes away become NULL. A later migration that makes SQLite copy the table
(it alters a column) loses the triggers and has to run `forwards` again; a test notices.
"""

from django.db import migrations

LINKS = ("iso_id", "actor_id", "asked_by_id")

POSTGRESQL = [
    f"""
    CREATE OR REPLACE FUNCTION isos_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE'
            AND to_jsonb(NEW) - ARRAY{list(LINKS)!r} = to_jsonb(OLD) - ARRAY{list(LINKS)!r}
            {" ".join(f"AND (NEW.{link} IS NULL OR NEW.{link} IS NOT DISTINCT FROM OLD.{link})" for link in LINKS)}
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'Events are append-only.' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER isos_event_append_only BEFORE UPDATE OR DELETE ON isos_event
    FOR EACH ROW EXECUTE FUNCTION isos_event_append_only()
    """,
]
POSTGRESQL_BACK = [
    "DROP TRIGGER IF EXISTS isos_event_append_only ON isos_event",
    "DROP FUNCTION IF EXISTS isos_event_append_only()",
]
SQLITE_BACK = [
    f"DROP TRIGGER IF EXISTS isos_event_{name}" for name in ("no_delete", "no_update", "no_relink")
]


def sqlite(columns):
    kept = ", ".join(f'"{column}"' for column in columns if column not in LINKS)
    relinked = " OR ".join(f'(NEW."{link}" IS NOT NULL AND NEW."{link}" IS NOT OLD."{link}")' for link in LINKS)
    refuse = "BEGIN SELECT RAISE(ABORT, 'Events are append-only.'); END"
    return [
        f"CREATE TRIGGER isos_event_no_delete BEFORE DELETE ON isos_event {refuse}",
        f"CREATE TRIGGER isos_event_no_update BEFORE UPDATE OF {kept} ON isos_event {refuse}",
        f"CREATE TRIGGER isos_event_no_relink BEFORE UPDATE ON isos_event WHEN {relinked} {refuse}",
    ]


def forwards(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    columns = [field.column for field in apps.get_model("isos", "Event")._meta.concrete_fields]
    for statement in {"postgresql": POSTGRESQL, "sqlite": [*SQLITE_BACK, *sqlite(columns)]}.get(vendor, []):
        schema_editor.execute(statement)


def backwards(apps, schema_editor):
    for statement in {"postgresql": POSTGRESQL_BACK, "sqlite": SQLITE_BACK}.get(schema_editor.connection.vendor, []):
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [("isos", "0012_record")]

    operations = [migrations.RunPython(forwards, backwards)]
