"""What proves an image: plain functions over bytes and hashes."""
