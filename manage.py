#!/usr/bin/env python
"""The portal's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Start the portal with: make run")
    if sys.argv[1:] == ["up"]:
        _prepare()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(str(error))


def _prepare() -> None:
    """`up` makes the secret key, which the settings need to load at all."""
    from portal.embedded import preflight

    try:
        preflight.prepare()
    except preflight.CannotStart as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
