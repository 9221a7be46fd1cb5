"""The player that AI2-THOR's Controller starts in the place of Unity's, and the wire between the two."""
