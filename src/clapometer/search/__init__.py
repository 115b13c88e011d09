"""Search in a folder of sounds, by words or by a sound: an index that follows the folder, and questions to it."""

from clapometer.search.index import Found, SoundIndex, open_index
from clapometer.search.indexing import Indexed, index_folder

__all__ = ["Found", "Indexed", "SoundIndex", "index_folder", "open_index"]
