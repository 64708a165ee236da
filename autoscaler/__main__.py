"""`python -m autoscaler` is the command `autoscaler`."""

from autoscaler.cli import main

if __name__ == "__main__":
    main(prog_name="autoscaler")
