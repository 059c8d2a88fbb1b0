"""What pre-training does to clean crops; all is drawn per crop, on its device."""
