"""What a scheduled lake needs now and then: few files, and no index version that nobody uses."""
