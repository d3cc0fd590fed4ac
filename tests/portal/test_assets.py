"""Front-end parts from the npm registry."""

import re
import stat

import pytest

from portal import assets


def test_the_served_files_and_the_sprite(tmp_path):
    out = tmp_path / "assets"
    assert assets.install(out) is True
    assert {path.name for path in out.iterdir()} == {*assets.FILES, "icons.svg", assets.STAMP}
    assert b"sourceMappingURL" not in b"".join(path.read_bytes() for path in out.iterdir())
    names = re.findall(r'<symbol id="([\w-]+)"', (out / "icons.svg").read_text())
    assert names == sorted(assets.template_icons() | assets.CODE_ICONS)
    assert assets.install(out) is False


def test_icons_that_templates_name(tmp_path):
    for place in ("templates", "isos/templates", "portal/accounts/templates"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "templates/base.html").write_text('{% icon "disc" %} {% icon "x" class="small" %}')
    (tmp_path / "isos/templates/page.html").write_text("{%icon 'loader-2' %} {% icon name %}")
    (tmp_path / "portal/accounts/templates/page.html").write_text('{%- icon "lock" -%}')
    assert assets.template_icons(tmp_path) == {"disc", "x", "loader-2", "lock"}


@pytest.mark.parametrize(
    ("name", "data", "served"),
    [
        ("a.js", b"code()\n//# sourceMappingURL=a.js.map\n", b"code()\n"),
        ("a.css", b"a{}\n/*# sourceMappingURL=a.css.map */", b"a{}\n"),
        ("a.js", b"code()", b"code()"),
        ("a.woff2", b"//# sourceMappingURL=a", b"//# sourceMappingURL=a"),
    ],
)
def test_links_to_source_maps_go(name, data, served):
    assert assets.served(name, data) == served


def test_an_icon_that_does_not_exist(tmp_path):
    with pytest.raises(assets.AssetsMissing, match='no icon "no-such-icon"'):
        assets.sprite(tmp_path, ["no-such-icon"])


def test_parts_that_cannot_be_had(tmp_path, monkeypatch):
    """The machine's npm, which can't reach its registry: a program of that name that fails as npm does."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(assets, "BASE_DIR", tmp_path)
    with pytest.raises(assets.AssetsMissing, match="npm registry must be reachable"):
        assets.install(tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


def test_the_npm_of_the_wheel_where_there_is_none(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert assets.npm(["--version"], tmp_path) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capfd.readouterr().out)
