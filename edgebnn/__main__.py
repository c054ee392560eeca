"""``python -m edgebnn`` is the ``edgebnn`` command."""

from edgebnn.cli.main import main

if __name__ == "__main__":
    main()
