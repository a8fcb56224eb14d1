"""`python -m avsync`."""

from avsync.cli import main

main(prog_name="avsync")
