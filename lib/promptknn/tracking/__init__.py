"""Runs in MLflow, for those who follow their jobs there (extra `mlflow`)."""
