"""Every test here has a rig."""

from tests.unit.service.fixtures import rig, the_toy, told

__all__ = ["rig", "the_toy", "told"]
