"""The engine as a process: interpreter, requirements, what it offers, its devices, running and ending it."""
