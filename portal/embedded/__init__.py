"""The embedded portal: web, worker and beat on one machine, started by `manage.py up`."""
