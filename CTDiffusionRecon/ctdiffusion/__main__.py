"""`python -m ctdiffusion` is the command line."""

from .cli import command

command()
