"""Training: fine-tuning CLIP on images and their prompts."""
