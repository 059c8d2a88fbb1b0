"""The ablation: one run with every choice open, what is varied, and how it is told."""
