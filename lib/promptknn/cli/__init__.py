"""The command `promptknn`: what needs no Spark, and where the jobs are."""
