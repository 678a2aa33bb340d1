"""GET /v1: signals and accounts for systems."""
