"""The sub-commands of `ctdiffusion`, one file each: `add_arguments(parser)` and `main(args) -> exit code`."""
