"""What people see in a browser: leaving, the archive, the preview, and the server under them. No SQL, no mail."""
