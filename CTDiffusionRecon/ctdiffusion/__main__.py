"""`python -m ctdiffusion` is the command line."""

from .commands.main import command

command()
