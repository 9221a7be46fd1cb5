"""What habitat_sim.errors holds."""


class InvalidAttachedObject(RuntimeError):
    """An agent of a closed simulator was used."""
