"""What the course is made of: locks with hashes, wheels for each platform, licences."""
