"""Where the command ``zhida`` begins: the program is loaded quickly, then what was typed is done."""

import gc


def main() -> None:
    """Loading makes no rubbish worth looking for, and looking would take a fifth of the time."""
    gc.disable()
    from api.cli import main as do_what_was_typed  # noqa: PLC0415 - what loads all the rest

    gc.freeze()
    gc.enable()
    do_what_was_typed()


if __name__ == "__main__":
    main()
