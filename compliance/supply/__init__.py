"""What is shipped: its list, its licences, its known weaknesses."""
