"""`python -m promptknn` is the command `promptknn`."""

from promptknn.cli.main import main

if __name__ == "__main__":
    main()
