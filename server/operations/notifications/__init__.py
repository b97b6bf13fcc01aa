"""Telling others what has happened: webhooks and mails, as often as it takes."""
