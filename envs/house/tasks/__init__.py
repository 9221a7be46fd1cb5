"""What all navigation tasks in houses share."""
