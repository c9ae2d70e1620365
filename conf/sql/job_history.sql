-- One row is a stage that ran, or failed, with the settings that people ask for first.
SELECT
  started_at,
  timestampadd(SECOND, CAST(seconds AS INT), started_at) AS ended_at,
  stage, status, rows_in, rows_out, rows_rejected, seconds, rows_per_second, message, error,
  get_json_object(settings, '$.clip.model') AS clip_model,
  CAST(get_json_object(settings, '$.prediction.k') AS INT) AS k,
  settings, input_versions, run_id
FROM {job_runs}
