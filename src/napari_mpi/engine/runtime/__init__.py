"""What every room stands on: errors, jobs, devices, files that appear whole."""
