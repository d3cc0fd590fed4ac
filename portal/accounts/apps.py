from django.apps import AppConfig


class AccountsConfig(AppConfig):
    # "accounts" and not "account": that label belongs to allauth.
    name = "portal.accounts"
    label = "accounts"
    verbose_name = "Accounts"
