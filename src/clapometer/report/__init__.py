"""What people look at: pictures, and later pages."""
