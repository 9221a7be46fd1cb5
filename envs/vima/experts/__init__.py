"""The scripted experts: pick and place, and the two sweeps."""
