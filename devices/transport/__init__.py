"""How a gateway's messages reach the server: one interface, and a module for each protocol that satisfies it."""
