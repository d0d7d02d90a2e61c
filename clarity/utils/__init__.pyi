from .atomic_files import (
    atomic_folder as atomic_folder,
    atomic_path as atomic_path,
)
from .audiogram import (
    STANDARD_AUDIOGRAMS as STANDARD_AUDIOGRAMS,
    Audiogram as Audiogram,
    Listener as Listener,
)
from .file_io import (
    open_audio as open_audio,
    read_json as read_json,
    read_jsonl as read_jsonl,
    read_signal as read_signal,
    write_csv as write_csv,
    write_json as write_json,
    write_jsonl as write_jsonl,
    write_signal as write_signal,
)
from .flac_encoder import (
    FlacEncoder as FlacEncoder,
    read_flac_signal as read_flac_signal,
    save_flac_signal as save_flac_signal,
)
from .loudness import (
    SILENCE_LUFS as SILENCE_LUFS,
    integrated_loudness as integrated_loudness,
)
from .results_support import ResultsFile as ResultsFile
from .signal_processing import (
    clip_signal as clip_signal,
    compute_rms as compute_rms,
    denormalize_signals as denormalize_signals,
    normalize_signal as normalize_signal,
    resample as resample,
    resample_blocks as resample_blocks,
    to_16bit as to_16bit,
)
