"""What sending readings costs in joules: radios, processors, and the share that security takes. Plain Python."""
