"""Prediction: from neighbours to the predicted prompt and its embedding."""
