"""One verb a file: permission, transaction, rows and audit event together."""
