"""What happens elsewhere in Django and concerns sessions."""


def connect() -> None:
    """Connect the receivers, once."""
