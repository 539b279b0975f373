"""Record how long the long cells of the chapters took: `python tools/lesson_times.py`, after `make notebooks`

The seconds are those that `LessonTimes` measured and kept in the cache. Beside them stands how fast this machine does a
fixed piece of training, so that another machine can scale them."""
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

def record()->dict: # what is known on this machine
    from usbook.core.files import read_json
    from usbook.core.settings import read_settings
    from usbook.runs.lesson import machine_speed
    kept = read_settings(ROOT).path('cache')/'lesson_times.json'
    if not kept.is_file(): sys.exit('nothing is measured yet: run the chapters first (make notebooks)')
    import torch
    return dict(
        study='all',
        arm='lessons',
        figure='seconds of the long cells',
        seconds=read_json(kept),
        speed=machine_speed(),
        threads=torch.get_num_threads(),
        command='python tools/lesson_times.py',
        date=time.strftime('%Y-%m-%d'),
    )

if __name__ == '__main__':
    from usbook.core.files import as_json, write_file
    write_file(ROOT/'nbs'/'records'/'lesson_times.json', as_json(record()) + '\n')
