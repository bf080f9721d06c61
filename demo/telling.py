"""What is shown, line by line."""


class NotSoError(Exception):
    """Something the demo shows is not so."""


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def expect(true: object, text: str) -> None:
    """Print what is shown, or fail with it."""
    if not true:
        raise NotSoError(text)
    say(f"  ✓ {text}")
