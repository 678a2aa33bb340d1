"""`python -m winback` is `winback`."""

from winback.cli import main

main()
