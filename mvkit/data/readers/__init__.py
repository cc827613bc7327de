"""Libraries that decode frames by number, one file each; modules with an underscore are what they share."""
