"""Accounts with small limits, and a short way to reserve."""

import uuid
from functools import partial

import pytest
from django.db import transaction

from quotas.models import QuotaLimit, Reservation
from quotas.reservations import reserve

Source = Reservation.Source


def limit(account, **limits):
    """Give `account` limits of its own; what is not named is the portal's default."""
    return QuotaLimit.objects.update_or_create(account=account, defaults=limits)[0]


def hold(account, size=1, *, iso=None, replica=None, source=Source.FETCH):
    """Reserve in a transaction of its own."""
    with transaction.atomic():
        return reserve(
            account, iso_ref=iso or uuid.uuid4(), replica_ref=replica or uuid.uuid4(), size=size, source=source
        )


@pytest.fixture
def upload(account):
    return partial(hold, account, source=Source.UPLOAD)
