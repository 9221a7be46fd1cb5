"""What an evaluation comes to: files, statistics, summaries."""
