"""How static files are stored for serving: hashed names, compressed, never revalidated."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

_IMPORT = r"""(?P<matched>\bfrom\s*["'](?P<url>\.{1,2}/[\w./-]+\.js)["'])"""


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashes the addresses in `import … from "./x.js"` too.

    Otherwise a page and a module that import the same script would load it under two names,
    and each copy would attach its listeners. Django's own switch for this also reads import
    lines in comments of other packages' scripts, and then fails on files that never were.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("*.js", ((_IMPORT, 'from "%(url)s"'),)))
