"""`python -m standalone` is `presswork`."""

from standalone.cli import main

if __name__ == "__main__":
    main()
