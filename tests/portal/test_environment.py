"""Every variable NAME may also be given as NAME_FILE."""

import pytest

from portal.environment import BASE_DIR, Environment, UnreadableFile, data_dir, environment
from portal.settings import env


def test_a_plain_variable(monkeypatch):
    monkeypatch.setenv("GREETING", "hello")
    assert environment["GREETING"] == "hello"
    assert "GREETING" in environment


def test_an_absent_variable(monkeypatch):
    monkeypatch.delenv("GREETING", raising=False)
    assert environment.get("GREETING") is None
    assert "GREETING" not in environment


def test_a_file_wins_and_loses_its_last_newline(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("postgres://portal@db/portal\n")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///elsewhere")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert environment["DATABASE_URL"] == "postgres://portal@db/portal"
    assert env.db_url("DATABASE_URL")["NAME"] == "portal"
    assert "DATABASE_URL" in set(Environment())


def test_a_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(UnreadableFile, match=r"SECRET_KEY_FILE names .*absent, which can't be read: No such file"):
        environment["SECRET_KEY"]


def test_the_data_folder_is_absolute(monkeypatch, tmp_path):
    monkeypatch.delenv("PORTAL_DATA_DIR")
    assert data_dir() == BASE_DIR / "var"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTAL_DATA_DIR", "data")
    assert data_dir() == tmp_path / "data"
