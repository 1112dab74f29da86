"""Prior packs: the folder, its check, import of published weights, joining, trial."""
