"""Search a folder of sounds by text or by sound, with an index that is updated when the folder changes."""

from clapometer.search.index import SearchResult, SoundIndex, open_index
from clapometer.search.indexing import IndexSummary, index_folder

__all__ = ["IndexSummary", "SearchResult", "SoundIndex", "index_folder", "open_index"]
