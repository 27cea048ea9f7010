"""The `presswork` command: `up` runs everything on this machine; the command line for people and scripts."""
