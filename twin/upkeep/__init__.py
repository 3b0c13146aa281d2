"""Is the house in order? What `manage.py check_house` and the health checks ask."""
