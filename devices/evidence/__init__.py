"""What a sealed frame proves about a reading: plain functions over bytes, keys and hashes."""
