"""A witness of transparency logs: it signs a log's head only if that log still contains what it signed before."""
