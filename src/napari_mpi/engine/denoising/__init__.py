"""Images of any axes: sampled, looked at, adapted to, filled plane by plane."""
