from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from clapometer.plots.inline_audio import LONGEST, find, packed


@pytest.mark.parametrize(("rate", "shown"), [(16000, 16000), (22255, 44100), (96000, 44100)])
def test_a_sound_is_packed_as_one_short_channel(rate, shown, tmp_path):
    seconds = np.arange(rate * 2) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * seconds)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), rate)
    address = packed(tmp_path / "a.wav")
    head, _, body = address.partition(",")
    assert head == "data:audio/mpeg;base64"
    samples, got = soundfile.read(io.BytesIO(base64.b64decode(body)))
    assert (got, samples.ndim) == (shown, 1)
    assert len(samples) / got == pytest.approx(2, abs=0.2)
    strongest = np.fft.rfftfreq(len(samples), 1 / got)[np.abs(np.fft.rfft(samples)).argmax()]
    assert strongest == pytest.approx(440, abs=2)


def test_only_the_beginning_of_a_long_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000 * 60), 8000)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(packed(tmp_path / "a.wav").partition(",")[2])))
    assert len(samples) / rate == pytest.approx(LONGEST, abs=0.5)


def test_a_sound_is_found_under_any_of_its_names(tmp_path):
    (tmp_path / "wave" / "tango").mkdir(parents=True)
    path = tmp_path / "wave" / "tango" / "5.wav"
    path.touch()
    assert find(["/tango/5.wav"], [tmp_path, tmp_path / "wave"]) == path
    assert find(["none.wav", str(path)], [tmp_path]) == path
    assert find(["none.wav"], [tmp_path]) is None
