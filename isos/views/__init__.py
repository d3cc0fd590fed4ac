"""Requests in, pages out. Objects come from isos.queries, changes go to isos.actions."""
