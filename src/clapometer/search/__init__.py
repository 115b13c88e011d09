"""Search in a folder of sounds, by words or by a sound: an index that follows the folder, and questions to it."""

from clapometer.search.build import Indexed, index_folder
from clapometer.search.query import Found, SoundIndex, open_index

__all__ = ["Found", "Indexed", "SoundIndex", "index_folder", "open_index"]
