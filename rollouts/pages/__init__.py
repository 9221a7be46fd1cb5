"""What a person looks at: pages, films, pictures."""
