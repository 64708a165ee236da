"""What the product claims of its speed and size, measured."""
