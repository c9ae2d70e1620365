"""The Spark jobs, as `promptknn --help` lists them; they lie in jobs/, beside the package."""

JOBS = {
    "build_index": "Bring every table before the index up to date, then build the index (the "
    "offline stage).",
    "ingest_prompts": "Read every source of the settings into raw_prompts.",
    "clean_prompts": "Sort raw_prompts into prompts and rejected_prompts.",
    "embed_prompts": "Embed the prompts that have no embedding of the settings' models yet.",
    "find_near_duplicates": "Set apart the prompts that are near duplicates of others; the index "
    "leaves them out.",
    "predict_prompts": "Embed the images of the settings and predict their prompts (the online "
    "stage).",
    "evaluate": "Score the active index against true prompts (the paper's table 2).",
    "report": "Write one HTML page of the latest predictions: images, prompts, neighbours, and the "
    "figures.",
    "create_views": "Make the SQL views of conf/sql: in a schema, or as a script for spark-sql.",
    "export_predictions": "Write the latest predictions as Parquet, as CSV, or as the contest's "
    "submission.",
    "maintain_lake": "Compact every table; drop old files, and index versions that nothing uses.",
    "remove_prompts": "Remove prompts from every table and the index, for good.",
    "generate_images": "Make a picture for each prompt with a diffusion model (extra `generate`).",
    "fine_tune_clip": "Fine-tune CLIP on images and their prompts; the result serves as "
    "`clip.model: local-dir:...`.",
}
"""What each does: the first line of its file, which a test compares."""


def listing() -> str:
    """Write one line a job."""
    width = max(map(len, JOBS)) + 2
    lines = [f"  {name:<{width}}{what}" for name, what in JOBS.items()]
    return "\n".join(["jobs, run as `spark-submit jobs/JOB.py --config FILE`:", *lines])
