"""Side-by-side comparison of volumes: layout, linked views, differences, profiles, mixtures."""
