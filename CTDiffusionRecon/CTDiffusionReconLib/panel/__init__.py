"""The sections of the module's panel."""
