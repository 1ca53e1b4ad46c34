"""`python -m mailwicket` is the command `mailwicket`."""

from mailwicket.cli import main

if __name__ == "__main__":
    main()
