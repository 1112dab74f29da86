"""Requests that become job folders, and the jobs that run them one after the other."""
