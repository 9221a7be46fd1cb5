"""AI2-THOR's face of the embedded house: its actions, errors, metadata and pictures, and the player that its
Controller starts.
"""
