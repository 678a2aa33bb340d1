"""What every page goes through: who asks, forms, templates, errors, compression, CSV."""
