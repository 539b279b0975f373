"""Data cards and the model card in the ecosystems' own forms: `python tools/cards.py`

Croissant (MLCommons, 1.0) for each sample in data_samples/, and a Hugging Face model card for the backbone in
usbook/weights/. Everything is read from what is there: manifests, sample.json, the backbone's own record."""
import hashlib, json, sys
from pathlib import Path

try: import tomllib
except ImportError: import tomli as tomllib # Python 3.10

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PROJECT = tomllib.loads((ROOT/'pyproject.toml').read_text(encoding='utf-8'))['project']
REPOSITORY = PROJECT['urls']['Homepage'] # the one place of the address
LICENCE = 'https://www.apache.org/licenses/LICENSE-2.0'
CONTEXT = {
    '@language': 'en', '@vocab': 'https://schema.org/', 'citeAs': 'cr:citeAs', 'column': 'cr:column',
    'conformsTo': 'dct:conformsTo', 'cr': 'http://mlcommons.org/croissant/',
    'rai': 'http://mlcommons.org/croissant/RAI/',
    'data': {'@id': 'cr:data', '@type': '@json'}, 'dataType': {'@id': 'cr:dataType', '@type': '@vocab'},
    'dct': 'http://purl.org/dc/terms/', 'examples': {'@id': 'cr:examples', '@type': '@json'}, 'extract': 'cr:extract',
    'field': 'cr:field', 'fileProperty': 'cr:fileProperty', 'fileObject': 'cr:fileObject', 'fileSet': 'cr:fileSet',
    'format': 'cr:format', 'includes': 'cr:includes', 'isLiveDataset': 'cr:isLiveDataset', 'jsonPath': 'cr:jsonPath',
    'key': 'cr:key', 'md5': 'cr:md5', 'parentField': 'cr:parentField', 'path': 'cr:path', 'recordSet': 'cr:recordSet',
    'references': 'cr:references', 'regex': 'cr:regex', 'repeated': 'cr:repeated', 'replace': 'cr:replace',
    'equivalentProperty': 'cr:equivalentProperty', 'samplingRate': 'cr:samplingRate',
    'sc': 'https://schema.org/', 'separator': 'cr:separator', 'source': 'cr:source', 'subField': 'cr:subField',
    'transform': 'cr:transform'}

def column_type(values): # a type of schema.org
    "What a column of text holds"
    def all_are(kind):
        try: return all(kind(v) is not None for v in values if v != '')
        except ValueError: return False
    return 'sc:Integer' if all_are(int) else 'sc:Float' if all_are(float) else 'sc:Text'

def croissant(study): # JSON-LD as a dict
    "The data card of a sample"
    import pandas as pd
    from usbook.studies.study import get_study
    folder, s = ROOT/'data_samples'/study, get_study(study)
    table = pd.read_csv(folder/'manifest.csv', dtype=str, keep_default_na=False)
    made = json.loads((folder/'sample.json').read_text(encoding='utf-8'))
    def field(c):
        source = dict(fileObject={'@id': 'manifest'}, extract=dict(column=c))
        kind = column_type(table[c])
        return {'@type': 'cr:Field', '@id': f'images/{c}', 'name': c, 'dataType': kind, 'source': source}
    repo = {'@type': 'cr:FileObject', '@id': 'repository', 'name': 'repository', 'contentUrl': REPOSITORY,
            'encodingFormat': 'git+https', 'sha256': 'https://github.com/mlcommons/croissant/issues/80'}
    manifest = {'@type': 'cr:FileObject', '@id': 'manifest', 'name': 'manifest.csv', 'encodingFormat': 'text/csv',
                'containedIn': {'@id': 'repository'}, 'contentUrl': f'data_samples/{study}/manifest.csv',
                'sha256': hashlib.sha256((folder/'manifest.csv').read_bytes()).hexdigest()}
    files = {'@type': 'cr:FileSet', '@id': 'image-files', 'name': 'images', 'containedIn': {'@id': 'repository'},
             'encodingFormat': 'image/png', 'includes': f'data_samples/{study}/images/*.png'}
    return {
        '@context': CONTEXT, '@type': 'sc:Dataset', 'conformsTo': 'http://mlcommons.org/croissant/1.0',
        'name': f'usbook-{study.replace("_", "-")}', 'url': REPOSITORY, 'license': LICENCE, 'version': '1.0.0',
        'description': (f"{table['image'].nunique()} simulated images of {table['patient'].nunique()} invented "
                        f'patients, {made["size"]} pixels, in the classes {", ".join(s.classes)}. Made from physics '
                        'and anatomy by usbook; no person was scanned for them. For teaching and tests of methods, not '
                        'for judging how well anything works on people.'),
        'creator': {'@type': 'sc:Organization', 'name': 'The usbook authors'}, 'datePublished': '2026-11-22',
        'keywords': ['medical imaging', 'simulated', study.replace('_', ' ')], 'isLiveDataset': False,
        'citeAs': 'The usbook authors. usbook. ' + REPOSITORY,
        'rai:dataCollection': f'Simulated by usbook.phantoms, seed {made["seed"]}; the knobs are in sample.json.',
        'rai:dataLimitations': 'No real scanner and no real organ. Some labels are wrong on purpose (true_label).',
        'rai:personalSensitiveInformation': 'None: no person is behind any image.',
        'distribution': [repo, manifest, files],
        'recordSet': [{'@type': 'cr:RecordSet', '@id': 'images', 'name': 'images', 'description': 'One row per image.',
                       'field': [field(c) for c in table]}]}

def model_card(): # Markdown with front matter
    "The card of the backbones, as model hubs read it"
    made = [json.loads((ROOT/'usbook'/'weights'/f'{arch}.json').read_text(encoding='utf-8'))
            for arch in ('resnet10t', 'alexnet')]
    one = made[0]
    return f'''---
license: apache-2.0
library_name: timm
pipeline_tag: image-feature-extraction
tags: [medical-imaging, ultrasound, radiography, self-supervised, synthetic-data, transfer-learning, usbook]
language: [en, zh]
inference: false
---

# Small backbones from procedural images alone

{one['made'][0].upper()}{one['made'][1:]}. They have seen {one['data']}. `resnet10t` is usbook's backbone; `alexnet`
holds the convolution layers that stand for CaffeNet in the study of the abdomen.

{chr(10).join(map(_file_lines, made))}
- **Input**: {one['input']}; mean {one['mean'][0]}, standard deviation {one['std'][0]}.
- **Made by** `{one['command']}`, from nothing but random numbers: {one['seeds']}.
- **For** learning to transfer, with frozen or fine-tuned features, where nothing can be downloaded.
- **Not for** patients. They are no medical device, and they have never seen one of their images.
- **What they are worth**, on five real public sets, with intervals: `nbs/learn/13_pretrain.ipynb` and
  `nbs/records/backbone_realdata.json` in {REPOSITORY}.
- **Licence**: Apache-2.0. No licence of anybody's images applies, because nobody's images were used.

```python
import timm
from safetensors.torch import load_file
net = timm.create_model('{one['arch']}', pretrained=False, num_classes=0)
net.load_state_dict(load_file('{one['file']}'), strict=False)
```
'''

def _file_lines(made):
    return (f"- **File** of {made['arch']}: `{made['file']}`,\n  sha-256 `{made['sha256']}`, "
            f"{made['trained']['image_passes']:,} image passes.")

def cards(): # path -> text
    studies = sorted(p.parent.name for p in (ROOT/'data_samples').glob('*/manifest.csv'))
    out = {ROOT/'data_samples'/f'{s}.croissant.json': json.dumps(croissant(s), indent=1, ensure_ascii=False) + '\n'
           for s in studies}
    return out | {ROOT/'usbook'/'weights'/'README.md': model_card()}

if __name__ == '__main__':
    for path, text in cards().items(): path.write_text(text, encoding='utf-8')
