"""Second factors as arithmetic: codes of the hour and codes for the day the phone is lost. Knows no framework."""
