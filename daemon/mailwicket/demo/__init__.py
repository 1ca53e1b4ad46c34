"""The main job on embedded defaults, for a first look."""
