"""What people read: tables for the terminal, charts, and the single-file HTML report."""
