"""Images: found, read, decoded, embedded."""
