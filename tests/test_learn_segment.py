"""Lungs: overlap and distance against hand-computed oracles, masks that can't be right, films that look odd,
failures out loud."""
from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from hypothesis import given, settings as hypothesis_settings, strategies as st
from PIL import Image, ImageOps

from usbook.data.manifest import Manifest
from usbook.data.images import load_image
from usbook.learn.segment import (
    MIN_SHARE,
    check_films,
    dice,
    encoder,
    failures,
    find_lungs,
    has_mask,
    hd95,
    mask_iou,
    mask_loaders,
    middle_minus_lungs,
    pixel_mm,
    plot_worst,
    read_lungs,
    score_lungs,
    tell_apart,
    tidy_lungs,
    to_film,
    train_unet,
    unet,
    what_was_found,
)
from usbook.learn.fits import fit_inputs, fit_key, stored_fit
from usbook.learn.recipe import Job, SegRecipe
from usbook.learn.weights import Weights, backbone
from usbook.phantoms.chest import CHEST_KNOBS, chest_image
from usbook.core.errors import BadInput
from usbook.core.settings import Settings

CLASSES = ['normal', 'stage_1', 'stage_2', 'stage_3']
TINY = SegRecipe(size=32, epochs=1)


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    return Settings(weights='random', cache=str(tmp_path_factory.mktemp('cache')), device='cpu')


@pytest.fixture(scope='module')
def clinic(tmp_path_factory):
    "Twelve small films with masks"
    folder, rows = tmp_path_factory.mktemp('films'), []
    for i in range(12):
        p = chest_image(3, i, 96, CHEST_KNOBS)
        Image.fromarray(p.image).save(folder/f'{i}.png')
        Image.fromarray(p.mask).save(folder/f'{i}-mask.png')
        rows.append(
            (f'{i}.png', f'P{i}', CLASSES[i % 2], f'{i}-mask.png', '3.2', ('train', 'train', 'valid', 'test')[i % 4])
        )
    pd.DataFrame(rows, columns='image patient label mask pixel_mm split'.split()).to_csv(
        folder / 'manifest.csv', index=False
    )
    return folder


@pytest.fixture
def films(clinic):
    return Manifest(pd.read_csv(clinic / 'manifest.csv', dtype=str, keep_default_na=False), clinic, CLASSES[:2])


@pytest.fixture(scope='module')
def net(clinic, settings):
    m = Manifest(pd.read_csv(clinic/'manifest.csv', dtype=str), clinic, CLASSES[:2])
    return train_unet(m, Job(TINY, settings=settings, progress=False))


def with_mask(m, folder, a, name='odd.png', row=0):
    "The films with another mask on one row"
    Image.fromarray(np.asarray(a, np.uint8)).save(folder/name)
    for n in {*m.table.image, *m.table['mask']} - {'', name}: (folder/n).write_bytes((m.root/n).read_bytes())
    return replace(
        m, root=folder, table=m.table.assign(mask=[name if i == row else v for i, v in enumerate(m.table['mask'])])
    )


# Overlap and distance, by hand ------------------------------------------------------------------------------

def square(y, x, side=4, shape=(12, 14)):
    a = np.zeros(shape, bool)
    a[y:y + side, x:x + side] = True
    return a


@pytest.mark.parametrize(
    'a,b,both,either,far',
    [
        (square(2, 2), square(2, 2), 16, 16, 0.0),
        (square(2, 2), square(2, 4), 8, 24, 2.0),
        (square(2, 2), square(3, 2), 12, 20, 1.0),
        (square(2, 2), square(2, 8), 0, 32, 6.0),
        (square(1, 1, 8), square(3, 3, 4), 16, 64, None),
    ],
)
def test_by_hand(a, b, both, either, far):
    assert dice(a, b) == 2*both/(a.sum() + b.sum()) and mask_iou(a, b) == both/either
    if far is not None: assert hd95(a, b) == far and hd95(a, b, mm=.7) == pytest.approx(.7*far)


def test_nested_squares_by_hand():
    ("8 x 8 around 4 x 4: from the outer rim (28 pixels) the four corners are 2 sqrt 2 away, sides 2, next to corners "
     "between")
    outer, inner = square(1, 1, 8), square(3, 3, 4)
    far = sorted([2*2**.5]*4 + [5**.5]*8 + [2.]*16)
    assert hd95(outer, inner) == pytest.approx(np.percentile(far, 95)) and hd95(inner, outer) == hd95(outer, inner)


def test_one_stray_pixel_is_forgiven_by_the_95th_percentile_only():
    a, b = square(2, 2, 20, (60, 60)), square(2, 2, 20, (60, 60))
    b[59, 59] = True
    assert hd95(a, b) == 0 and dice(a, b) > .99


def test_empty_masks_have_no_distance():
    a, none = square(2, 2), np.zeros((12, 14), bool)
    assert dice(none, none) is None and mask_iou(none, none) is None and hd95(a, none) is None
    assert dice(a, none) == 0 == mask_iou(a, none)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_dice_and_iou_tell_the_same(seed):
    a, b = np.random.default_rng(seed).random((2, 9, 9)) < .4
    d, j = dice(a, b), mask_iou(a, b)
    assert d == dice(b, a) and d == pytest.approx(2*j/(1 + j)) and hd95(a, b) == hd95(b, a)


# Masks ------------------------------------------------------------------------------------------------------

def test_white_masks_are_told_apart(tmp_path):
    white = square(2, 1, 8, (20, 24)) | square(2, 14, 8, (20, 24))
    Image.fromarray(np.uint8(white)*255).save(tmp_path/'w.png')
    a = read_lungs(tmp_path/'w.png')
    assert set(np.unique(a[:, :12])) == {0, 1} and set(np.unique(a[:, 12:])) == {0, 2} and ((a > 0) == white).all()


def test_touching_lungs_are_parted_at_their_waist():
    white = square(2, 2, 9, (14, 30)) | square(2, 19, 9, (14, 30))
    white[5, 11:19] = True
    a = tell_apart(white)
    assert set(np.unique(a[:, 2:11])) == {0, 1} and set(np.unique(a[:, 19:28])) == {0, 2}


def test_smooth_edges_are_no_strange_values(tmp_path):
    im = Image.fromarray(np.uint8(square(10, 10, 40, (160, 160)) | square(10, 100, 40, (160, 160))) * 255).resize(
        (150, 150), Image.Resampling.BILINEAR
    )
    assert len(np.unique(im)) > 3
    im.save(tmp_path/'smooth.png')
    assert set(np.unique(read_lungs(tmp_path/'smooth.png'))) == {0, 1, 2}


@pytest.mark.parametrize('values', [(0, 7), (0, 1, 2, 3), (0, 40, 90)])
def test_strange_values_name_file_and_row(films, tmp_path, values):
    a = np.zeros((96, 96))
    for k, v in enumerate(values): a[20*k:20*k + 20, 10:60] = v
    with pytest.raises(BadInput, match=r'row 5: mask odd\.png holds the values 0, .*write 0 background') as e:
        check_films(with_mask(films, tmp_path, a, row=3))
    assert '\n' not in str(e.value)


def test_an_empty_mask_is_refused(films, tmp_path):
    with pytest.raises(BadInput, match=r'row 2: mask odd\.png is empty; draw the lungs'):
        check_films(with_mask(films, tmp_path, np.zeros((96, 96))))


def test_swapped_sides_are_refused(films, tmp_path):
    a = read_lungs(films.root/films.table['mask'][0])
    with pytest.raises(BadInput, match=r"row 2: mask odd\.png has its sides swapped"):
        check_films(with_mask(films, tmp_path, np.where(a > 0, 3 - a, 0)))


def test_one_lung_is_noted_and_learned_from(films, tmp_path, settings):
    a = read_lungs(films.root/films.table['mask'][0])
    m = check_films(with_mask(films, tmp_path, np.where(a == 2, 2, 0)))
    assert [n for n in m.notes if 'row 2: 0.png has only one lung in its mask (the left one)' in n]
    scored = score_lungs(m, [0], [a])
    assert scored.set_index('lung').dice.to_dict() == {'right': 0.0, 'left': 1.0}, (
        'a lung that is not there must not be found'
    )
    assert scored.set_index('lung').hd95.isna().to_dict() == {'right': True, 'left': False}


def test_masks_of_another_size_name_file_and_row(films, tmp_path):
    m = with_mask(films, tmp_path, np.ones((50, 96)), row=1)
    m.write(tmp_path/'manifest.csv')
    with pytest.raises(BadInput, match=r'row 3: mask odd\.png is 96x50 pixels and its image 96x96'):
        Manifest.read(tmp_path / 'manifest.csv')


def test_films_without_masks_cannot_teach(films, settings):
    none = replace(films, table=films.table.assign(mask=''))
    assert not has_mask(none).any()
    with pytest.raises(BadInput, match='no training film has a mask'):
        mask_loaders(none, TINY, Weights('resnet10t', 'random'))


# Films ------------------------------------------------------------------------------------------------------

def save_film(m, folder, image, name='0.png'):
    for n in m.table.image: (folder/n).write_bytes((m.root/n).read_bytes())
    image.save(folder/name)
    return replace(m, root=folder, table=m.table.assign(mask=''))


def test_proper_films_get_no_note(films): assert check_films(films).notes == []


def test_a_negative_is_noted(films, tmp_path):
    m = check_films(save_film(films, tmp_path, ImageOps.invert(films.load(0))))
    assert len(m.notes) == 1 and m.notes[0].startswith('row 2: 0.png looks inverted')
    assert check_films(m).notes == m.notes, 'said once'


def test_a_lopsided_film_is_noted(films, tmp_path):
    x = np.mgrid[:96, :96][1]
    side = np.uint8(np.where(x > 60, 220, np.where(x > 30, 90, 10)))
    m = check_films(save_film(films, tmp_path, Image.fromarray(side)))
    assert len(m.notes) == 1 and ('not symmetric' in m.notes[0] and 'lateral view' in m.notes[0])


def dicom(film, path, **header):
    from pydicom.dataset import FileDataset, FileMetaDataset
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        pydicom.uid.ExplicitVRLittleEndian,
        '1.2.840.10008.5.1.4.1.1.1.1',
        '1.2.3',
    )
    ds, a = FileDataset(str(path), {}, file_meta=meta, preamble=b'\0'*128), np.asarray(film)
    fields = dict(
        Modality='DX',
        Rows=a.shape[0],
        Columns=a.shape[1],
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        SamplesPerPixel=1,
        PhotometricInterpretation='MONOCHROME2',
        PixelData=a.tobytes(),
    )
    for k, v in (fields | header).items(): setattr(ds, k, v)
    ds.save_as(path)
    return path


def test_monochrome1_is_turned_round(films, tmp_path):
    film = films.load(0)
    path = dicom(
        ImageOps.invert(film),
        tmp_path / '0.dcm',
        PhotometricInterpretation='MONOCHROME1',
        ImagerPixelSpacing=[0.4, 0.4],
    )
    assert np.array_equal(np.asarray(load_image(path)), np.asarray(film))
    m = replace(
        films.subset(np.arange(12) == 0),
        root=tmp_path,
        table=films.table[:1].assign(image='0.dcm', mask='', pixel_mm=''),
    )
    assert check_films(m).notes == [] and pixel_mm(m, 0) == .4


def test_a_lateral_view_is_refused_by_its_header(films, tmp_path):
    dicom(films.load(0), tmp_path/'0.dcm', ViewPosition='LL')
    m = replace(films.subset(np.arange(12) == 0), root=tmp_path, table=films.table[:1].assign(image='0.dcm', mask=''))
    with pytest.raises(BadInput, match=r'row 2: 0\.dcm is a lateral view \(its header says LL\)'): check_films(m)


def test_grey_levels_decide_not_brightness(films):
    bright = films.load(1).point(lambda v: min(255, v + 60))
    assert middle_minus_lungs(bright) > 0 > middle_minus_lungs(ImageOps.invert(bright))


# The network ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('arch', ['resnet10t', 'resnet18', 'squeezenet1_1'])
def test_the_encoder_is_the_backbone(arch):
    body, x = backbone(arch, Weights(arch, 'random')), torch.randn(2, 3, 64, 64)
    with torch.inference_mode(): assert torch.equal(encoder(body).eval()(x), body(x))


def test_three_scores_a_pixel_and_the_seed_decides():
    a, b, c = (unet(TINY, Weights('resnet10t', 'random'), s).eval() for s in (0, 0, 1))
    x = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert a(x).shape == (1, 3, 32, 32) and torch.equal(a(x), b(x)) and not torch.equal(a(x), c(x))


def test_same_seed_same_unet(films, net, settings):
    again = train_unet(films, Job(TINY, settings=settings, progress=False))
    one, two = (find_lungs(n, films, [3])[0][0] for n in (net, again))
    assert np.array_equal(one, two) and net.films == 6 and list(net.history) == ['train_loss', 'valid_loss', 'dice']


def test_a_stored_unet_is_read_as_it_was(films, settings):
    job = Job(TINY, settings=settings, progress=False)
    first, again = stored_fit(films, job), stored_fit(films, job)
    for a, b in zip(find_lungs(first, films)[0], find_lungs(again, films)[0]): assert np.array_equal(a, b)
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)
    assert again.notes[0].startswith('trained before') and again.films == 6 and again.key == first.key
    blank = films.table.assign(mask=films.table['mask'].to_numpy()[::-1])
    assert fit_key(fit_inputs(replace(films, table=blank), job)) != first.key


def test_nothing_is_flipped(): assert not SegRecipe().flip


def test_back_to_a_film_that_is_not_square():
    prob = torch.zeros(3, 40, 40)
    prob[0], prob[1, 10:30, 5:15] = .5, 1.
    out = to_film(prob, (60, 120))
    assert out.shape == (60, 120) and out[2:-2, 16:44].all() and not out[:, 50:].any() and not out[:, :10].any()


def test_tidy_by_hand():
    a = np.zeros((20, 20), np.uint8)
    a[2:9, 2:9], a[4:6, 4:6], a[15, 15], a[2:9, 12:18] = 1, 0, 1, 2
    out, counts = tidy_lungs(a)
    assert (
        counts == dict(crumbs=1, holes=1)
        and (out[2:9, 2:9] == 1).all()
        and out[15, 15] == 0
        and (out[2:9, 12:18] == 2).all()
    )
    assert tidy_lungs(out)[1] == dict(crumbs=0, holes=0)


def test_a_hole_that_is_the_other_lung_stays():
    a = np.ones((9, 9), np.uint8)
    a[4, 4] = 2
    assert (tidy_lungs(a)[0] == 1).sum() in (80, 81)


def test_failures_are_said(films):
    n = 96*96
    assert what_was_found(np.zeros((96, 96))) == 'none'
    small = np.zeros(n)
    small[:int(MIN_SHARE*n) - 1] = 1
    assert what_was_found(small.reshape(96, 96)) == 'none' and what_was_found(np.tile([1, 2], (96, 48))) == 'both'
    t = pd.DataFrame(dict(image=['a', 'b', 'c'], row=[2, 3, 4], found=['both', 'none', 'left only']))
    assert failures(t) == [
        'row 3: b: no lung was found; it counts as an error',
        'row 4: c: only the left lung was found',
    ]


def test_a_failed_film_stays_in_the_table_and_scores_nothing(films, net):
    masks, found = find_lungs(net, films)
    assert list(found.image) == list(films.table.image) and len(masks) == 12
    scored = score_lungs(films, [0], [np.zeros((96, 96), np.uint8)])
    assert (
        list(scored.dice) == [0, 0]
        and list(scored.found) == ['none', 'none']
        and scored.hd95.isna().all()
        and set(scored.unit) == {'mm'}
    )


def test_pixels_where_nobody_knows_millimetres(films):
    m, a = replace(films, table=films.table.drop(columns='pixel_mm')), read_lungs(films.root/films.table['mask'][0])
    moved = np.roll(a, 2, axis=0)
    in_mm, in_pixels = (score_lungs(x, [0], [moved]) for x in (films, m))
    assert (
        set(in_pixels.unit) == {'pixels'}
        and np.allclose(in_mm.hd95, 3.2 * in_pixels.hd95)
        and (in_pixels.hd95 == 2).all()
    )


def test_the_worst_come_first(films):
    truth = [read_lungs(films.root/p) for p in films.table['mask']]
    masks = [np.roll(a, 12 - i, axis=0) for i, a in enumerate(truth)]
    fig = plot_worst(films, score_lungs(films, range(12), masks), range(12), masks, n=3)
    assert [ax.get_title().split(':')[0] for ax in fig.axes] == ['P0', 'P1', 'P2']
