"""Running a study: planning, judging, saving and reporting."""
