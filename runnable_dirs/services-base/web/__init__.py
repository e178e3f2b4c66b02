"""What services over HTTP share."""
