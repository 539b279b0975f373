"""What a stranger may do to usbook, done some thousand times: spoilt files, kills, full disks, odd terminals."""
