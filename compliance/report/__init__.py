"""The monthly report of compliance without a framework: its document, its signature, its pages, and checking it."""
