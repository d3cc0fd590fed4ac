"""A witness in the database: writes down whoever moves what ended, or writes what another machine has taken over.

It looks at rows alone and knows nothing of how the portal keeps zombies away. Who claims an operation, or locks an
upload, owns it from then on: one connection, and with it one thread of one process, until that connection ends.
"""

from __future__ import annotations

from typing import Any

from tests.chaos.mixed.rows import Rows

RULES = """
CREATE TABLE chaos_owner (what text, id bigint, pid integer, PRIMARY KEY (what, id));
CREATE TABLE chaos_foul (at timestamptz DEFAULT clock_timestamp(), sentence text);

CREATE FUNCTION chaos_owns(named text, row_id bigint) RETURNS void AS $$
    INSERT INTO chaos_owner VALUES (named, row_id, pg_backend_pid())
    ON CONFLICT (what, id) DO UPDATE SET pid = excluded.pid
$$ LANGUAGE sql;

CREATE FUNCTION chaos_is_stranger(named text, row_id bigint) RETURNS boolean AS $$
    SELECT EXISTS (SELECT FROM chaos_owner JOIN pg_stat_activity USING (pid)
                   WHERE what = named AND id = row_id AND pid <> pg_backend_pid())
$$ LANGUAGE sql;

CREATE FUNCTION chaos_operation() RETURNS trigger AS $$
BEGIN
    IF OLD.finished_at IS NOT NULL AND NEW.state <> OLD.state THEN
        INSERT INTO chaos_foul (sentence) VALUES (format('an ended %s of %s went from %s to %s', OLD.kind, OLD.iso_name,
                                                         OLD.state, NEW.state));
    ELSIF NEW.lease_token IS NOT NULL AND NEW.lease_token IS DISTINCT FROM OLD.lease_token THEN
        IF OLD.state = 'running' AND OLD.lease_expires > clock_timestamp() THEN
            INSERT INTO chaos_foul (sentence) VALUES (format('a %s of %s was taken from one who held it still',
                                                             OLD.kind, OLD.iso_name));
        END IF;
        PERFORM chaos_owns('operation', NEW.id);
    ELSIF OLD.state = 'running' AND chaos_is_stranger('operation', OLD.id)
          AND (NEW.state <> 'running' OR NEW.lease_expires IS DISTINCT FROM OLD.lease_expires) THEN
        INSERT INTO chaos_foul (sentence) VALUES (format('a %s of %s was written by one who had lost it',
                                                         OLD.kind, OLD.iso_name));
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION chaos_upload() RETURNS trigger AS $$
BEGIN
    IF NEW.lock_token IS NOT NULL AND NEW.lock_token IS DISTINCT FROM OLD.lock_token THEN
        PERFORM chaos_owns('upload', NEW.id);
    ELSIF NEW."offset" <> OLD."offset" AND NEW.state = 'receiving' AND chaos_is_stranger('upload', OLD.id) THEN
        INSERT INTO chaos_foul (sentence) VALUES (format('an upload of %s was written by one who had lost it',
                                                         OLD.filename));
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;

CREATE TRIGGER chaos_operation BEFORE UPDATE ON isos_operation FOR EACH ROW EXECUTE FUNCTION chaos_operation();
CREATE TRIGGER chaos_upload BEFORE UPDATE ON isos_upload FOR EACH ROW EXECUTE FUNCTION chaos_upload();
"""


def watch(rows: Rows) -> None:
    """From now on."""
    rows.execute(RULES)


def fouls(rows: Rows) -> list[str]:
    found: list[Any] = rows.query("SELECT to_char(at, 'HH24:MI:SS') || ' ' || sentence FROM chaos_foul ORDER BY at")
    return [row[0] for row in found]


def ports_at_work(rows: Rows) -> set[int]:
    """The local ports of the connections whose processes move bytes now. Raises Away."""
    sql = """SELECT a.client_port FROM chaos_owner w JOIN pg_stat_activity a USING (pid)
             JOIN isos_operation o ON w.what = 'operation' AND w.id = o.id
             WHERE o.state = 'running' AND o.kind <> 'delete' AND o.lease_expires > now()"""
    return {row.client_port for row in rows.query(sql)}
