"""The embedded house: rooms, furniture and a body in MuJoCo, from any house file of ProcTHOR's schema."""
