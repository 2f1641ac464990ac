"""Calendar files: found where a `segue.yaml` names them, and read into the times of their events."""
