"""What `make run` says on a machine that lacks something."""

import subprocess
import sys
import sysconfig

import pytest

from portal import bootstrap


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13)])
def test_an_old_python(version):
    with pytest.raises(
        bootstrap.Unusable, match=rf"Python 3\.11 or newer, and this is Python {bootstrap.dotted(version)}"
    ):
        bootstrap.check_python(version)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1)])
def test_a_python_that_will_do(version):
    bootstrap.check_python(version)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("sqlite3", "has no sqlite3 module"),
        ("ensurepip", "apt install python3-venv"),
        ("venv", "apt install python3-venv"),
    ],
)
def test_a_module_that_the_distribution_left_out(module, says, tmp_path):
    """Real: a Python whose import of the module fails, as Debian's does without the package."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    script = tmp_path / "portal" / "bootstrap.py"
    script.parent.mkdir()
    script.write_bytes((bootstrap.ROOT / "portal" / "bootstrap.py").read_bytes())
    (tmp_path / "requirements.txt").touch()
    done = subprocess.run(
        [sys.executable, str(script)], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


def test_the_syntax_is_old_enough_to_complain():
    """Python 3.6 must be able to read the file, or its users see a SyntaxError."""
    import ast

    source = (bootstrap.ROOT / "portal" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source  # 3.7


@pytest.fixture
def lists(tmp_path):
    """An empty list of packages: pip has nothing to fetch."""
    path = tmp_path / "requirements.txt"
    path.write_text("# nothing\n")
    return [path]


def test_an_environment_is_made_once(tmp_path, lists):
    venv = tmp_path / "venv"
    assert bootstrap.install(venv, lists) is True
    assert (venv / "bin" / "python").exists()
    assert bootstrap.install(venv, lists) is False
    lists[0].write_text("# still nothing\n")
    assert bootstrap.install(venv, lists) is True


def test_more_than_was_asked_for_is_fine(tmp_path, lists):
    more = tmp_path / "requirements-dev.txt"
    more.write_text("# nothing more\n")
    assert bootstrap.install(tmp_path / "venv", [*lists, more]) is True
    assert bootstrap.install(tmp_path / "venv", lists) is False


def test_packages_that_cannot_be_had(tmp_path, lists, monkeypatch, capfd):
    """An index where nobody listens, as on a machine without a network."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    lists[0].write_text(f"no-such-package-of-the-portal==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(bootstrap.Unusable, match="package index must be reachable"):
        bootstrap.install(tmp_path / "venv", lists)
    assert not (tmp_path / "venv" / bootstrap.STAMP).exists()
    assert "no-such-package-of-the-portal" in capfd.readouterr().err


def test_every_pinned_package_has_a_hash():
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (bootstrap.ROOT / name).read_text().splitlines()
        pins = [line for line in lines if "==" in line and not line.lstrip().startswith("#")]
        assert len(pins) > 10
        assert all(line.endswith("\\") for line in pins), f"{name}: a pin without a hash"
    assert sysconfig.get_python_version() >= "3.11"
