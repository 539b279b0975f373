"""Interactive pictures over predictions, for notebooks and for pages that need no kernel."""
