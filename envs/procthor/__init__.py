"""ProcTHOR's tasks in houses: object navigation, as a gymnasium environment."""
