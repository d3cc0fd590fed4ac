"""The sole writer of reservations. Every call needs a transaction and locks the Account first."""
