"""Record how long the long cells of the chapters took: `python tools/lesson_times.py`, after `make notebooks`

The seconds are those that `LessonTimes` measured and kept in the cache. Beside them stands how fast this machine does a
fixed piece of training, so that another machine can scale them."""
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

def lesson_record(): # a `Record` of what is known on this machine
    from usbook.core.files import read_json
    from usbook.core.settings import read_settings
    from usbook.runs.lesson import machine_speed
    from usbook.runs.record import Record
    kept = read_settings(ROOT).path('cache')/'lesson_times.json'
    if not kept.is_file(): sys.exit('nothing is measured yet: run the chapters first (make notebooks)')
    parts = {tuple(key.split(', ')): steps for key, steps in read_json(kept).items()}
    figures = [dict(study=study, arm=profile, metric=step, value=v)
               for (study, profile), steps in parts.items() for step, v in steps.items()]
    data = dict(samples=dict(note='the committed samples, as the chapters read them; the seconds of their long cells'))
    how = dict(unit='seconds', speed=machine_speed())
    return Record('python tools/lesson_times.py', data, figures, how=how)

if __name__ == '__main__': lesson_record().write(ROOT/'nbs'/'records'/'lesson_times.json')
