"""The entry point of the command `clapometer`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is imported ends in a line, as later."""
    try:
        from clapometer.cli import main as run

        run()
    except KeyboardInterrupt:
        print("clapometer: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
