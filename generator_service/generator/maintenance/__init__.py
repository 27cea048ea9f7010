"""Loops that keep the queue healthy: one file each, named by its role. Every process runs them; the scripts are atomic."""
