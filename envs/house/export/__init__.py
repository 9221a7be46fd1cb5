"""Houses for others: GLB for viewers and habitat-sim, MJCF for MuJoCo, ProcTHOR's JSON for AI2-THOR."""
