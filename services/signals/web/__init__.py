"""The console: plain pages per organization, GET /v1, signing in, unsubscribing. A module a kind of page; no JavaScript."""
