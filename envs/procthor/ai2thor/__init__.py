"""ProcTHOR's tasks in the real AI2-THOR, through its Controller."""
