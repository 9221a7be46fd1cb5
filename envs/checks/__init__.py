"""The checks behind envs.contract, in order of what they look at."""
