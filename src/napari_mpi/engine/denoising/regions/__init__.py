"""A volume in regions, filled in any order by any number of processes."""
