"""Loops that keep the queue healthy, one file each. Every process runs them: the scripts are atomic."""
