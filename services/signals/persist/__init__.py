"""What topics say, put into tables: `winback serve signals`."""
