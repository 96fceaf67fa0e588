"""System checks: each wrong or missing setting by name, with its remedy."""


def register_all() -> None:
    """Register the checks, once."""
