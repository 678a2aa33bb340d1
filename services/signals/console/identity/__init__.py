"""Signing in and out: by a link in a mail, or at the organization's identity provider."""
