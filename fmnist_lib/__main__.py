"""Run the command line: ``python -m fmnist_lib COMMAND``."""

from fmnist_lib.commands.main import main

if __name__ == "__main__":
    main()
