"""The gateway's own page: what it sees and does, for whoever stands beside it, with or without the server."""
