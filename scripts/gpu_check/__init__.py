"""What scripts/gpu-check runs."""
