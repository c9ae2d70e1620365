import json

from promptknn.masking import shown_settings


def test_values_that_sound_secret_are_masked_and_others_stay() -> None:
    conf = {"fs.s3a.secret.key": "abc", "fs.s3a.access.key": "def", "spark.sql.x": "true"}
    settings = {"spark": {"conf": conf}, "sources": [{"api_key": "ghi", "path": "/a"}], "k": 7}
    shown = json.loads(shown_settings(json.dumps(settings)))
    assert shown == {
        "spark": {
            "conf": {
                "fs.s3a.secret.key": "(masked)",
                "fs.s3a.access.key": "(masked)",
                "spark.sql.x": "true",
            }
        },
        "sources": [{"api_key": "(masked)", "path": "/a"}],
        "k": 7,
    }


def test_settings_are_indented_and_keep_their_letters() -> None:
    assert shown_settings('{"lake": "/Bücher"}') == '{\n  "lake": "/Bücher"\n}'
