"""Make the SQL views of conf/sql: in a schema, or as a script for spark-sql."""

from pathlib import Path

from promptknn.command import arguments, beside_jobs, run_job
from promptknn.views.create_views import CreateViews

if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--schema", metavar="NAME", help="where to; default: the lake's own schema")
    parser.add_argument("--script", type=Path, metavar="FILE", help="write them for spark-sql -i")
    parser.add_argument("--views", type=Path, metavar="FOLDER", help="default: conf/sql")
    run_job(
        parser,
        lambda options: [
            CreateViews(options.views or beside_jobs("sql"), options.schema, options.script)
        ],
    )
