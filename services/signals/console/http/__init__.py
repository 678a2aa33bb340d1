"""What every page and address goes through: who asks, forms, templates, errors, compression, CSV."""
