"""Runnable measures against floors of the same run. Never part of the test run."""
