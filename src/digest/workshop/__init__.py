"""What the preview knows of a mail: its checks, what mail clients understand, and how they would show it."""
