"""SQL views over the lake's tables, for those who ask in SQL."""
