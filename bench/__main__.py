"""`python -m bench`, for a machine where `winback` is not the checkout's own."""

from bench.cli import app

if __name__ == "__main__":
    app()
